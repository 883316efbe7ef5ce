using System.Net;
using Llama.Gateway.Api.Reading;

namespace Llama.Gateway.Forwarding;

/// <summary>A client's body on its way to the owner, whose own limit holds.</summary>
/// <param name="client">The client's request.</param>
internal sealed class ForwardedBody(HttpRequest client) : HttpContent
{
    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    /// <inheritdoc/>
    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = await RequestBody.ReadAsync(client.BodyReader, cancellationToken);
            foreach (ReadOnlyMemory<byte> piece in read.Buffer) await stream.WriteAsync(piece, cancellationToken);
            client.BodyReader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted) return;
        }
    }

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = client.ContentLength ?? 0;
        return client.ContentLength is not null;
    }
}
