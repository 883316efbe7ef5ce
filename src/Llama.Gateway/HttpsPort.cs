using System.IO.Pipelines;
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

    private static readonly byte[] SpeakTls =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 31\r\nConnection: close\r\n\r\nThis port speaks HTTPS, not HTTP"u8.ToArray();

    /// <summary>Sets up a port.</summary>
    /// <param name="port">The port.</param>
    /// <param name="certificate">What it shows, and whose certificates it accepts.</param>
    public static void Secure(ListenOptions port, ProcessCertificate certificate)
    {
        ILogger logger = port.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger("Llama.Gateway");
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
