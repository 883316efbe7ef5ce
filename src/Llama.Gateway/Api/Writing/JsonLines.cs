using System.Buffers;
using System.Text.Json;

namespace Llama.Gateway.Api.Writing;

/// <summary>A stream of JSON values, each on a line of its own (application/x-ndjson).</summary>
/// <param name="response">Where to.</param>
internal sealed class JsonLines(HttpResponse response) : IDisposable
{
    private readonly ArrayBufferWriter<byte> value = new(512);
    private readonly Utf8JsonWriter json = new(Stream.Null, JsonAnswer.Options);

    /// <summary>Begins a stream; the first line sends the headers.</summary>
    /// <param name="response">Where to.</param>
    public static JsonLines Begin(HttpResponse response)
    {
        response.ContentType = "application/x-ndjson";
        response.Headers.CacheControl = "no-cache";
        return new JsonLines(response);
    }

    /// <summary>Sends one line at once. A value that fails to write leaves nothing behind in the stream.</summary>
    /// <param name="write">Writes it as one JSON value.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async ValueTask WriteAsync(Action<Utf8JsonWriter> write, CancellationToken cancellationToken)
    {
        value.ResetWrittenCount();
        json.Reset(value);
        write(json);
        json.Flush();
        var body = response.BodyWriter;
        body.Write(value.WrittenSpan);
        body.Write("\n"u8);
        await body.FlushAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => json.Dispose();
}
