using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Llama.V1;

namespace Llama.Client;

/// <summary>A gateway.</summary>
/// <param name="Address">Where it serves gRPC.</param>
/// <param name="Channel">The connections to it.</param>
/// <param name="Inference">What is asked of it; every call shows the key.</param>
internal sealed record Gateway(Uri Address, GrpcChannel Channel, Inference.InferenceClient Inference);

/// <summary>The gateways of a client, and which of them is asked.</summary>
internal sealed class Gateways : IDisposable
{
    /// <summary>A gateway whose machine is gone says nothing: so it is asked whether it is there.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(5);

    private readonly Gateway[] all;
    private int asked;

    /// <summary>Connects to none yet.</summary>
    /// <param name="options">Where they are.</param>
    public Gateways(LlamaClientOptions options)
    {
        X509Certificate2Collection? authorities = null;
        if (options.AuthorityFile is { } file)
        {
            authorities = [];
            authorities.ImportFromPemFile(file);
        }

        all = [.. options.Addresses.Select(address => Open(address, options.ApiKey, authorities))];
    }

    /// <summary>How many there are.</summary>
    public int Count => all.Length;

    /// <summary>The one that is asked.</summary>
    public Gateway Asked => all[Volatile.Read(ref asked)];

    /// <summary>Has the next one asked, unless another request has done so already.</summary>
    /// <param name="lost">The one that did not answer.</param>
    public void Leave(Gateway lost)
    {
        int index = Array.IndexOf(all, lost);
        Interlocked.CompareExchange(ref asked, (index + 1) % all.Length, index);
    }

    /// <summary>Ends the connections, and the calls on them.</summary>
    public void Dispose()
    {
        foreach (Gateway gateway in all) gateway.Channel.Dispose();
    }

    private static Gateway Open(Uri address, string? key, X509Certificate2Collection? authorities)
    {
        var handler = new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            ConnectTimeout = Silence,
            KeepAlivePingDelay = Silence,
            KeepAlivePingTimeout = Silence,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
        };
        if (authorities is not null)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.AddRange(authorities);
            handler.SslOptions.CertificateChainPolicy = policy;
        }

        var channel = GrpcChannel.ForAddress(
            address, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true, MaxReceiveMessageSize = null });
        CallInvoker calls = key is null ? channel.CreateCallInvoker() : channel.Intercept(metadata =>
        {
            metadata.Add("authorization", $"Bearer {key}");
            return metadata;
        });
        return new Gateway(address, channel, new Inference.InferenceClient(calls));
    }
}
