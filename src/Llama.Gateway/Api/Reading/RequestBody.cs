using System.Buffers;
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
    private const long MostBytes = 32 << 20;

    /// <summary>
    /// The most bytes of a body, from the longest sequence that the model takes: sixteen prompts of token ids fit, or one of text
    /// with every character escaped, and a longer text for <c>/tokenize</c>.
    /// </summary>
    /// <param name="contextLength">The model's context in tokens.</param>
    public static long LimitFor(int contextLength) => Math.Min(MostBytes, FixedBytes + (BytesPerToken * contextLength));

    /// <summary>The limit that holds for a request, in bytes.</summary>
    /// <param name="context">The request.</param>
    public static long? LimitOf(HttpContext context) => context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize;

    /// <summary>Reads the body.</summary>
    /// <param name="context">The request.</param>
    /// <param name="maxBytes">The most bytes that are taken.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">It is not a JSON object in UTF-8.</exception>
    /// <exception cref="BadHttpRequestException">It is too large.</exception>
    public static async Task<JsonDocument> ReadAsync(HttpContext context, long maxBytes, CancellationToken cancellationToken)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = maxBytes;
        return Parse(await ReadBytesAsync(context.Request, cancellationToken));
    }

    private static async Task<byte[]> ReadBytesAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var reader = request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(cancellationToken);
            if (read.IsCompleted)
            {
                var bytes = read.Buffer.ToArray();
                reader.AdvanceTo(read.Buffer.End);
                return bytes;
            }

            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    private static JsonDocument Parse(byte[] bytes)
    {
        if (bytes.AsSpan().IsEmpty) throw ApiException.Invalid(param: null, "The request body is empty; expected a JSON object.");
        ThrowUnlessUtf8(bytes);
        LoneSurrogates.Replace(bytes);
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException exception)
        {
            // Both positions count from 0.
            throw ApiException.Invalid(
                param: null,
                $"The request body is not JSON, or is nested more than {MaxDepth} deep: " +
                $"line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}.");
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        using (document)
            throw JsonFields.Wrong("The request body", document.RootElement, "a JSON object", param: null);
    }

    private static void ThrowUnlessUtf8(ReadOnlySpan<byte> bytes)
    {
        if (Utf8.IsValid(bytes)) return;
        var offset = 0;
        while (System.Text.Rune.DecodeFromUtf8(bytes[offset..], out _, out var length) == OperationStatus.Done) offset += length;
        throw ApiException.Invalid(param: null, $"The request body is not UTF-8: byte {offset + 1} is 0x{bytes[offset]:x2}.");
    }
}
