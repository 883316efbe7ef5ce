using System.IO.Pipelines;
using System.Text;
using Llama.Grains.Certificates;
using Llama.Grains.Links;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Llama.Gateway;

/// <summary>
/// The gateway's port with TLS. Clients may show a certificate, and it must then be good; only silos must have one. Who speaks HTTP
/// here is told in HTTP.
/// </summary>
internal static partial class HttpsPort
{
    /// <summary>The first byte of a TLS connection: a record of a handshake (RFC 8446, section 5.1).</summary>
    private const byte HandshakeRecord = 22;

    private const string Answer = "This port speaks HTTPS, not HTTP.\n";

    private static readonly byte[] SpeakTls = Encoding.ASCII.GetBytes(string.Join(
        "\r\n", "HTTP/1.1 400 This port speaks HTTPS only", "Content-Type: text/plain",
        $"Content-Length: {Answer.Length}", "Connection: close", "", Answer));

    /// <summary>Sets up a port.</summary>
    /// <param name="port">The port.</param>
    /// <param name="certificate">What it shows, and whose certificates it accepts.</param>
    public static void Secure(ListenOptions port, ProcessCertificate certificate)
    {
        ILogger logger = port.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger("Llama.Gateway");

        port.Protocols = HttpProtocols.Http1AndHttp2;
        port.Use(next => connection => ServeAsync(connection, next));
        port.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = Handshake.Deadline,
            OnConnection = context => ValueTask.FromResult(certificate.ForListener(
                demand: false, reason => Log.Refused(logger, context.Connection.RemoteEndPoint, reason))),
        });
    }

    private static async Task ServeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
        deadline.CancelAfter(Handshake.Deadline);
        try
        {
            ReadResult first = await connection.Transport.Input.ReadAsync(deadline.Token);
            bool secure = first.Buffer.IsEmpty || first.Buffer.FirstSpan[0] == HandshakeRecord;
            connection.Transport.Input.AdvanceTo(secure ? first.Buffer.Start : first.Buffer.End);
            if (!secure) await connection.Transport.Output.WriteAsync(SpeakTls, deadline.Token);
            if (!secure || first.Buffer.IsEmpty) return;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // It says nothing, or has gone.
            return;
        }

        await next(connection);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "A TLS connection from {Address} was refused: {Reason}")]
        public static partial void Refused(ILogger logger, System.Net.EndPoint? address, string reason);
    }
}
