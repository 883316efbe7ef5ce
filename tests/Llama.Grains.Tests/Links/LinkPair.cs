using System.Net;
using System.Net.Sockets;
using System.Text;
using Llama.Grains.Certificates;
using Llama.Grains.Links;
using Llama.Model.Weights;

namespace Llama.Grains.Tests.Links;

/// <summary>Both ends of a real connection on this machine.</summary>
internal sealed class LinkPair : IDisposable
{
    private LinkPair(Stream dialler, Stream listener) => (Dialler, Listener) = (dialler, listener);

    public Stream Dialler { get; }

    public Stream Listener { get; }

    public static async Task<LinkPair> OpenAsync()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        var dialler = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await dialler.ConnectAsync(listener.LocalEndPoint!, Patience.Token);
        Socket accepted = await listener.AcceptAsync(Patience.Token);
        accepted.NoDelay = true;
        return new LinkPair(new NetworkStream(dialler, ownsSocket: true), new NetworkStream(accepted, ownsSocket: true));
    }

    /// <summary>Who a process of the tests' cluster is.</summary>
    public static LinkIdentity Identity(
        string name, string key = "secret", string fingerprint = "f00d", int contextLength = 256, string? weights = null,
        ElementType kvType = ElementType.F32, string digests = "", ProcessCertificate? certificate = null) => new()
        {
            Name = name,
            Model = new ModelIdentity
            {
                Fingerprint = fingerprint,
                ContextLength = contextLength,
                Weights = weights,
                LayerDigests = digests,
                KvType = kvType,
            },
            Credentials = new ClusterCredentials { Key = Encoding.UTF8.GetBytes(key), Certificate = certificate },
        };

    public void Dispose()
    {
        Dialler.Dispose();
        Listener.Dispose();
    }
}
