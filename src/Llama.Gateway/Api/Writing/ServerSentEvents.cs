using System.Buffers;
using System.Text.Json;

namespace Llama.Gateway.Api.Writing;

/// <summary>A stream of JSON values as server-sent events (WHATWG HTML, section 9.2): <c>data: {…}</c> and an empty line.</summary>
/// <param name="response">Where to.</param>
internal sealed class ServerSentEvents(HttpResponse response) : IDisposable
{
    private readonly ArrayBufferWriter<byte> value = new(512);
    private readonly Utf8JsonWriter json = new(Stream.Null, JsonAnswer.Options);

    /// <summary>Begins a stream; the first event sends the headers.</summary>
    /// <param name="response">Where to.</param>
    public static ServerSentEvents Begin(HttpResponse response)
    {
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache";
        return new ServerSentEvents(response);
    }

    /// <summary>Sends one event at once. A value that fails to write leaves nothing behind in the stream.</summary>
    /// <typeparam name="T">What is written.</typeparam>
    /// <param name="state">What is written.</param>
    /// <param name="write">Writes it as one JSON value.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public ValueTask WriteAsync<T>(T state, Action<Utf8JsonWriter, T> write, CancellationToken cancellationToken)
    {
        value.ResetWrittenCount();
        json.Reset(value);
        write(json, state);
        json.Flush();
        return SendAsync(value.WrittenMemory, cancellationToken);
    }

    /// <summary>Sends the event that OpenAI ends a complete stream with.</summary>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public ValueTask WriteDoneAsync(CancellationToken cancellationToken) => SendAsync("[DONE]"u8.ToArray(), cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => json.Dispose();

    private async ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        var body = response.BodyWriter;
        body.Write("data: "u8);
        body.Write(data.Span);
        body.Write("\n\n"u8);
        await body.FlushAsync(cancellationToken);
    }
}
