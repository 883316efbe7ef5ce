using System.Buffers;
using System.Text;
using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Microsoft.AspNetCore.Http.Features;

namespace Llama.Gateway.Api.Writing;

/// <summary>
/// A stream of JSON values: as server-sent events (WHATWG HTML, section 9.2), <c>data: {…}</c> and an empty line, with <c>event: …</c> before it
/// where events have names; or each value on a line of its own (application/x-ndjson).
/// </summary>
/// <param name="response">Where to.</param>
/// <param name="isLines">Whether values are lines; else they are events.</param>
internal sealed class JsonStream(HttpResponse response, bool isLines) : IDisposable
{
    private readonly ArrayBufferWriter<byte> value = new(512);
    private readonly Utf8JsonWriter json = new(Stream.Null, JsonAnswer.Options);
    private readonly SemaphoreSlim sending = new(1);

    /// <summary>How many values and comments were sent.</summary>
    public int Sent { get; private set; }

    /// <summary>Begins a stream in the form that the route has; the first value sends the headers.</summary>
    /// <param name="response">Where to.</param>
    public static JsonStream Begin(HttpResponse response)
    {
        var isLines = response.HttpContext.Features.GetRequiredFeature<IErrorForm>().IsLine;
        response.ContentType = isLines ? "application/x-ndjson" : "text/event-stream";
        response.Headers.CacheControl = "no-cache";
        return new JsonStream(response, isLines);
    }

    /// <summary>Sends one value at once. One that fails to write leaves nothing behind in the stream.</summary>
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
        return isLines
            ? SendAsync("", value.WrittenMemory, "\n", cancellationToken)
            : SendAsync(name is null ? "data: " : $"event: {name}\ndata: ", value.WrittenMemory, "\n\n", cancellationToken);
    }

    /// <summary>Sends the event that OpenAI ends a complete stream with.</summary>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public ValueTask WriteDoneAsync(CancellationToken cancellationToken) => SendAsync("data: [DONE]", default, "\n\n", cancellationToken);

    /// <summary>
    /// Sends what no client reads as a value, between two values: a comment, or at the beginning of a line a blank, which JSON allows (RFC 8259,
    /// section 2). May be called beside the other methods.
    /// </summary>
    /// <param name="comment">What it says; what would end the line is a space.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public ValueTask WriteCommentAsync(string comment, CancellationToken cancellationToken) =>
        SendAsync(isLines ? " " : $": {comment.ReplaceLineEndings(" ")}\n\n", default, "", cancellationToken);

    /// <inheritdoc/>
    public void Dispose()
    {
        json.Dispose();
        sending.Dispose();
    }

    private async ValueTask SendAsync(string before, ReadOnlyMemory<byte> data, string after, CancellationToken cancellationToken)
    {
        await sending.WaitAsync(cancellationToken);
        try
        {
            var body = response.BodyWriter;
            Encoding.UTF8.GetBytes(before, body);
            body.Write(data.Span);
            Encoding.UTF8.GetBytes(after, body);
            Sent++;
            await body.FlushAsync(cancellationToken);
        }
        finally
        {
            sending.Release();
        }
    }
}
