using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Llama.Gateway.Api.Errors;

namespace Llama.Gateway.Api.Writing;

/// <summary>Writes whole answers as JSON.</summary>
internal static class JsonAnswer
{
    /// <summary>Text stays readable UTF-8; only what JSON itself demands is escaped, since no answer is put into HTML unescaped.</summary>
    public static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>What of a list may wait to be sent: a thousand vectors are megabytes as JSON.</summary>
    private const int MostPendingBytes = 64 << 10;

    /// <summary>Answers with one JSON value.</summary>
    /// <param name="response">Where to.</param>
    /// <param name="write">Writes the value.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public static async Task WriteAsync(HttpResponse response, Action<Utf8JsonWriter> write, CancellationToken cancellationToken)
    {
        response.ContentType = "application/json";
        await using (var json = new Utf8JsonWriter(response.BodyWriter, Options)) write(json);
        await response.BodyWriter.FlushAsync(cancellationToken);
    }

    /// <summary>Answers with an object that has a list of much to say, which is sent while it is written.</summary>
    /// <typeparam name="T">An element.</typeparam>
    /// <param name="response">Where to.</param>
    /// <param name="begin">Writes the members before the list.</param>
    /// <param name="name">The list's name.</param>
    /// <param name="elements">The elements.</param>
    /// <param name="write">Writes one.</param>
    /// <param name="end">Writes the members behind the list.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public static async Task WriteListAsync<T>(
        HttpResponse response, Action<Utf8JsonWriter> begin, string name, IReadOnlyList<T> elements, Action<Utf8JsonWriter, T> write,
        Action<Utf8JsonWriter> end, CancellationToken cancellationToken)
    {
        response.ContentType = "application/json";
        var body = response.BodyWriter;
        await using var json = new Utf8JsonWriter(body, Options);
        json.WriteStartObject();
        begin(json);
        json.WriteStartArray(name);
        foreach (var element in elements)
        {
            write(json, element);
            if (json.BytesPending < MostPendingBytes) continue;
            await json.FlushAsync(cancellationToken);
            await body.FlushAsync(cancellationToken);
        }

        json.WriteEndArray();
        end(json);
        json.WriteEndObject();
        await json.FlushAsync(cancellationToken);
        await body.FlushAsync(cancellationToken);
    }

    /// <summary>Writes a list of numbers.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="numbers">The numbers.</param>
    public static void WriteNumbers(Utf8JsonWriter json, float[] numbers)
    {
        json.WriteStartArray();
        foreach (var number in numbers) json.WriteNumberValue(number);
        json.WriteEndArray();
    }

    /// <summary>Answers with an error and its status.</summary>
    /// <param name="response">Where to; nothing was sent yet.</param>
    /// <param name="error">The error.</param>
    /// <param name="form">How it is written.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public static Task WriteErrorAsync(HttpResponse response, ApiException error, IErrorForm form, CancellationToken cancellationToken)
    {
        response.StatusCode = error.Status;
        if (error.RetryAfter is { } wait)
            response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        if (error.ShouldRetry is { } retry) response.Headers["x-should-retry"] = retry ? "true" : "false";
        return WriteAsync(response, json => form.Write(json, error, response.HttpContext.TraceIdentifier), cancellationToken);
    }

    /// <summary>Writes OpenAI's error object.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="error">The error.</param>
    public static void WriteError(Utf8JsonWriter json, ApiException error)
    {
        json.WriteStartObject();
        json.WritePropertyName("error");
        WriteErrorValue(json, error);
        json.WriteEndObject();
    }

    /// <summary>Writes what OpenAI's error object says.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="error">The error.</param>
    public static void WriteErrorValue(Utf8JsonWriter json, ApiException error)
    {
        json.WriteStartObject();
        json.WriteString("message", error.Message);
        json.WriteString("type", error.Type);
        json.WriteString("param", error.Param);
        json.WriteString("code", error.Code);
        json.WriteEndObject();
    }
}
