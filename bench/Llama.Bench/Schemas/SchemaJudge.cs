using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;
using Llama.Model.Grammars;
using Llama.Model.Tokenization;

namespace Llama.Bench.Schemas;

/// <summary>
/// Says whether answers are valid by their schema. The judge of whole ones is JsonSchema.Net. One that was cut off must be the beginning of a
/// valid one: it is gone on with at random, as the grammar allows, and the whole is judged.
/// </summary>
internal static class SchemaJudge
{
    private const int MostBytes = 100_000;

    /// <summary>U+0300 is the first mark that goes with the character before it.</summary>
    private const int FirstCombining = 0x300;

    private static readonly EvaluationOptions Strict = new() { RequireFormatValidation = true };
    private static readonly GrammarVocabulary Bytes = new(new ByteVocabulary());

    /// <summary>What is wrong with an answer; null when nothing is.</summary>
    /// <param name="schema">The schema.</param>
    /// <param name="answer">The answer.</param>
    /// <param name="random">Goes on with it.</param>
    public static string? FindFault(JsonNode schema, SchemaAnswer answer, Random random)
    {
        string text = answer.Text;
        if (answer.Finish != "stop")
        {
            // A character of which only some bytes have come.
            text = text.TrimEnd('\uFFFD');
            if (Complete(schema, text, random) is not { } whole) return $"is not the beginning of a valid text: {text}";
            text = whole;
        }

        try
        {
            JsonElement value = JsonSerializer.SerializeToElement(Uncombined(JsonNode.Parse(text)));
            return JsonSchema.FromText(schema.ToJsonString()).Evaluate(value, Strict).IsValid ? null : $"is not valid: {text}";
        }
        catch (JsonException e)
        {
            return $"is no JSON: {text}: {e.Message}";
        }
    }

    /// <summary>
    /// JsonSchema.Net counts what a reader takes for one character, the specification code points (RFC 8259): characters that may combine are replaced.
    /// </summary>
    private static JsonNode? Uncombined(JsonNode? value)
    {
        switch (value)
        {
            case JsonObject members:
                return new JsonObject(members.Select(member => KeyValuePair.Create(member.Key, Uncombined(member.Value))));
            case JsonArray items:
                return new JsonArray([.. items.Select(Uncombined)]);
            case JsonValue text when text.TryGetValue(out string? characters):
                return string.Concat(characters.EnumerateRunes().Select(rune => rune.Value is >= 0x20 and < FirstCombining ? rune.ToString() : "\u4E2D"));
            default:
                return value?.DeepClone();
        }
    }

    private static string? Complete(JsonNode schema, string text, Random random)
    {
        var source = new GrammarSource(GrammarKind.JsonSchema, schema.ToJsonString());
        GrammarMatcher matcher = Grammar.Compile(source, Bytes, [ByteVocabulary.End]).Begin(startsText: false);
        List<byte> bytes = [.. Encoding.UTF8.GetBytes(text)];
        if (!bytes.TrueForAll(value => matcher.TryTake(value))) return null;
        ulong[] allowed = new ulong[(ByteVocabulary.End / 64) + 1];
        while (bytes.Count < MostBytes)
        {
            if (matcher.CanEnd) return Encoding.UTF8.GetString([.. bytes]);
            Array.Clear(allowed);
            TokenMask.Read(matcher.Mask, allowed);
            byte[] next = [.. Enumerable.Range(0, 256).Where(value => ((allowed[value >> 6] >> (value & 63)) & 1) != 0).Select(value => (byte)value)];
            if (next.Length == 0) return null;
            byte chosen = next[random.Next(next.Length)];
            matcher.TryTake(chosen);
            bytes.Add(chosen);
        }

        return null;
    }

    /// <summary>A token for each byte, and an end token.</summary>
    private sealed class ByteVocabulary : IVocabulary
    {
        public const int End = 256;

        private static readonly byte[] All = [.. Enumerable.Range(0, End).Select(value => (byte)value)];

        public int VocabSize => End + 1;

        public bool AddsLeadingSpace => false;

        public ReadOnlySpan<byte> TokenBytes(int id) => id < End ? All.AsSpan(id, 1) : default;

        public bool IsByte(int id) => id < End;
    }
}
