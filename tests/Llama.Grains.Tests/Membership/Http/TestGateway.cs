using System.Net;
using Llama.Grains.Certificates;
using Llama.Grains.Membership;
using Llama.Grains.Membership.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Membership.Http;

/// <summary>A real HTTP server on loopback.</summary>
internal sealed class TestGateway : IAsyncDisposable
{
    private readonly WebApplication application;

    private TestGateway(WebApplication application)
    {
        this.application = application;
        Address = new Uri(application.Urls.First());
    }

    public Uri Address { get; }

    /// <summary>Starts one that serves a document.</summary>
    /// <param name="document">The document.</param>
    /// <param name="key">The cluster key.</param>
    /// <param name="certificate">What it shows on TLS; null for HTTP without.</param>
    /// <param name="port">The port; 0 for any.</param>
    /// <param name="time">Its clock.</param>
    public static Task<TestGateway> StartAsync(
        IMembershipDocument document, byte[] key, ProcessCertificate? certificate = null, int port = 0, TimeProvider? time = null) =>
        StartAsync(
            new MembershipEndpoint(document, key, certificate is not null, time ?? TimeProvider.System, NullLogger<MembershipEndpoint>.Instance)
                .InvokeAsync,
            certificate, port);

    /// <summary>Starts one that serves anything.</summary>
    public static async Task<TestGateway> StartAsync(RequestDelegate serve, ProcessCertificate? certificate = null, int port = 0)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen =>
        {
            if (certificate is null) return;
            listen.UseHttps(new TlsHandshakeCallbackOptions
            {
                OnConnection = _ => ValueTask.FromResult(certificate.ForListener(demand: false, _ => { })),
            });
        }));
        WebApplication application = builder.Build();
        application.Map(MembershipEndpoint.Path, serve);
        await application.StartAsync(Patience.Token);
        return new TestGateway(application);
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await application.StopAsync(now.Token);
        await application.DisposeAsync();
    }
}
