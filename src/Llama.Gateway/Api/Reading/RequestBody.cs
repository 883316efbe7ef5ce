using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Llama.Gateway.Api.Errors;
using Microsoft.AspNetCore.Http.Features;

namespace Llama.Gateway.Api.Reading;

/// <summary>Reads a request's body as one JSON object. The content type is not asked for: what parses is good.</summary>
internal static class RequestBody
{
    /// <summary>Deepest nesting of lists and objects that is read.</summary>
    public const int MaxDepth = 32;

    private const long FixedBytes = 4 << 20;
    private const long BytesPerToken = 128;

    /// <summary>The most bytes of any body, whatever the model.</summary>
    public const int MostBytes = 32 << 20;

    /// <summary>Of a body that is too large so much is still read: a client that sends all of it first can then read why it was refused.</summary>
    private const long MostDrainedBytes = 64 << 20;
    private static readonly TimeSpan LongestDrain = TimeSpan.FromSeconds(10);

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>
    /// The most bytes of a body, from the longest sequence that the model takes: sixteen prompts of token ids fit, or one of text
    /// with every character escaped.
    /// </summary>
    /// <param name="contextLength">The model's context in tokens.</param>
    public static long LimitFor(int contextLength) => Math.Min(MostBytes, FixedBytes + (BytesPerToken * contextLength));

    /// <summary>Lifts the server's own limit, beyond which nothing of a body can be read.</summary>
    /// <param name="context">The request.</param>
    public static void LiftLimit(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = null;
    }

    /// <summary>Reads the body.</summary>
    /// <param name="context">The request.</param>
    /// <param name="maxBytes">The most bytes that are taken.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">It is too large, compressed, or not a JSON object in UTF-8.</exception>
    /// <exception cref="BadHttpRequestException">It is not valid HTTP.</exception>
    public static async Task<JsonDocument> ReadAsync(HttpContext context, long maxBytes, CancellationToken cancellationToken)
    {
        var encoding = context.Request.Headers.ContentEncoding.ToString();
        if (encoding is not ("" or "identity"))
        {
            throw new ApiException(
                StatusCodes.Status415UnsupportedMediaType, $"The request body must not be compressed; found the Content-Encoding '{encoding}'.");
        }

        LiftLimit(context);
        return Parse(await ReadBytesAsync(context.Request, maxBytes, cancellationToken));
    }

    /// <summary>Reads some more of a body, as <see cref="PipeReader.ReadAsync"/> does.</summary>
    /// <param name="reader">The body.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="BadHttpRequestException">It is not valid HTTP: whatever a body cannot be read for is its client's fault.</exception>
    public static async ValueTask<ReadResult> ReadAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is not (BadHttpRequestException or OperationCanceledException))
        {
            throw new BadHttpRequestException(exception.Message, StatusCodes.Status400BadRequest, exception);
        }
    }

    /// <summary>Reads what is left of a body that was refused, up to a bound of bytes and time.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public static async Task DrainAsync(HttpContext context, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(LongestDrain);
        var reader = context.Request.BodyReader;
        try
        {
            long drained = 0;
            while (drained <= MostDrainedBytes)
            {
                var read = await ReadAsync(reader, deadline.Token);
                drained += read.Buffer.Length;
                reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) return;
            }
        }
        catch (Exception exception) when (exception is BadHttpRequestException or OperationCanceledException)
        {
            // It has been answered, and its connection closes.
        }
    }

    private static async Task<byte[]> ReadBytesAsync(HttpRequest request, long maxBytes, CancellationToken cancellationToken)
    {
        if (request.ContentLength > maxBytes) throw TooLarge(maxBytes);
        var reader = request.BodyReader;
        while (true)
        {
            var read = await ReadAsync(reader, cancellationToken);
            if (read.Buffer.Length > maxBytes)
            {
                reader.AdvanceTo(read.Buffer.End);
                throw TooLarge(maxBytes);
            }

            if (read.IsCompleted)
            {
                var bytes = read.Buffer.ToArray();
                reader.AdvanceTo(read.Buffer.End);
                return bytes;
            }

            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>The error for a body that is too large.</summary>
    /// <param name="maxBytes">The most bytes that are taken.</param>
    public static ApiException TooLarge(long maxBytes) => new(
        StatusCodes.Status413PayloadTooLarge, $"The request body is too large: the limit is {maxBytes} bytes.");

    /// <summary>Parses a body.</summary>
    /// <param name="bytes">All of it; lone surrogates in it are replaced.</param>
    /// <exception cref="ApiException">It is not a JSON object in UTF-8.</exception>
    public static JsonDocument Parse(byte[] bytes)
    {
        if (bytes.AsSpan().IsEmpty) throw ApiException.Invalid(param: null, "The request body is empty; expected a JSON object.");
        ThrowUnlessUtf8(bytes);
        LoneSurrogates.Replace(bytes);

        // A byte order mark may be passed over (RFC 8259, section 8.1).
        var json = bytes.AsMemory(bytes.AsSpan().StartsWith(ByteOrderMark) ? ByteOrderMark.Length : 0);
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException exception)
        {
            throw ApiException.Invalid(param: null, Explain(json.Span, exception));
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        using (document)
            throw JsonFields.Wrong("The request body", document.RootElement, "a JSON object", param: null);
    }

    /// <summary>What is wrong with a body, and where; lines and bytes count from 1.</summary>
    private static string Explain(ReadOnlySpan<byte> json, JsonException exception)
    {
        var (line, position) = (exception.LineNumber!.Value, exception.BytePositionInLine!.Value);
        var place = $"line {line + 1}, byte {position + 1}";
        if (IsTooDeep(json)) return $"The request body is nested too deep: expected at most {MaxDepth} lists and objects in each other; found one more at {place}.";
        for (; line > 0; line--) json = json[(json.IndexOf((byte)'\n') + 1)..];
        if (Rune.DecodeFromUtf8(json[(int)Math.Min(position, json.Length)..], out var found, out _) != OperationStatus.Done)
            return $"The request body is not JSON: it ends too early, at {place}.";
        var shown = Rune.IsControl(found) ? $"U+{found.Value:X4}" : $"'{found}'";
        return $"The request body is not JSON: found {shown} at {place}.";
    }

    private static bool IsTooDeep(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth + 1 });
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject && reader.CurrentDepth == MaxDepth) return true;
            }
        }
        catch (JsonException)
        {
            // Something else is wrong before.
        }

        return false;
    }

    private static void ThrowUnlessUtf8(ReadOnlySpan<byte> bytes)
    {
        if (Utf8.IsValid(bytes)) return;
        var offset = 0;
        while (Rune.DecodeFromUtf8(bytes[offset..], out _, out var length) == OperationStatus.Done) offset += length;
        throw ApiException.Invalid(param: null, $"The request body is not UTF-8: byte {offset + 1} is 0x{bytes[offset]:x2}.");
    }
}
