using System.Net.Http.Headers;
using System.Text;
using Llama.Grains.Certificates;
using Llama.Grains.Settings;

namespace Llama.AppHost;

/// <summary>How the AppHost speaks with its gateway.</summary>
internal static class GatewayClient
{
    /// <summary>A client of the gateway at a port, which trusts the cluster's certificates and shows the cluster's key.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="port">The port.</param>
    /// <param name="console">Told why a gateway is not trusted.</param>
    public static HttpClient Create(AppHostOptions options, int port, AppHostConsole console)
    {
        var handler = new SocketsHttpHandler { UseProxy = false };
        if (CertificateFolder.Load(options.Tls) is { } certificate)
        {
            handler.SslOptions = certificate.ForDialler(
                checkName: true, reason => console.Say($"The gateway is not trusted: {reason}", Tone.Warning));
        }

        var client = new HttpClient(handler) { BaseAddress = new Uri(options.UrlOf(port)), Timeout = Timeout.InfiniteTimeSpan };
        if (ClusterKey.Load(null) is { } key)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Encoding.UTF8.GetString(key));
        return client;
    }
}
