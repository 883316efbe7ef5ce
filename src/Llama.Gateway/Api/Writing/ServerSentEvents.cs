using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Llama.Gateway.Api.Writing;

/// <summary>
/// A stream of JSON values as server-sent events (WHATWG HTML, section 9.2): <c>data: {…}</c> and an empty line, with <c>event: …</c> before it
/// where events have names.
/// </summary>
/// <param name="response">Where to.</param>
internal sealed class ServerSentEvents(HttpResponse response) : IDisposable
{
    private readonly ArrayBufferWriter<byte> value = new(512);
    private readonly Utf8JsonWriter json = new(Stream.Null, JsonAnswer.Options);
    private readonly SemaphoreSlim sending = new(1);

    /// <summary>How many events and comments were sent.</summary>
    public int Sent { get; private set; }

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
    /// <param name="name">The event's name; null for none.</param>
    public ValueTask WriteAsync<T>(T state, Action<Utf8JsonWriter, T> write, CancellationToken cancellationToken, string? name = null)
    {
        value.ResetWrittenCount();
        json.Reset(value);
        write(json, state);
        json.Flush();
        return SendAsync(name, value.WrittenMemory, cancellationToken);
    }

    /// <summary>Sends the event that OpenAI ends a complete stream with.</summary>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public ValueTask WriteDoneAsync(CancellationToken cancellationToken) => SendAsync(name: null, "[DONE]"u8.ToArray(), cancellationToken);

    /// <summary>Sends a line that no client reads as an event, between two events. May be called beside the other methods.</summary>
    /// <param name="comment">What it says; what would end the line is a space.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async ValueTask WriteCommentAsync(string comment, CancellationToken cancellationToken)
    {
        await sending.WaitAsync(cancellationToken);
        try
        {
            var body = response.BodyWriter;
            body.Write(": "u8);
            body.Write(Encoding.UTF8.GetBytes(comment.ReplaceLineEndings(" ")));
            body.Write("\n\n"u8);
            Sent++;
            await body.FlushAsync(cancellationToken);
        }
        finally
        {
            sending.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        json.Dispose();
        sending.Dispose();
    }

    private async ValueTask SendAsync(string? name, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        await sending.WaitAsync(cancellationToken);
        try
        {
            var body = response.BodyWriter;
            if (name is not null)
            {
                body.Write("event: "u8);
                Encoding.UTF8.GetBytes(name, body);
                body.Write("\n"u8);
            }

            body.Write("data: "u8);
            body.Write(data.Span);
            body.Write("\n\n"u8);
            Sent++;
            await body.FlushAsync(cancellationToken);
        }
        finally
        {
            sending.Release();
        }
    }
}
