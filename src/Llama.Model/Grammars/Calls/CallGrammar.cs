using System.Text.Json;
using System.Text.Json.Serialization;
using Llama.Model.Tokenization;

namespace Llama.Model.Grammars.Calls;

/// <summary>A function that an answer may call.</summary>
/// <param name="Name">Its name, for messages.</param>
/// <param name="Before">What stands before its arguments.</param>
/// <param name="Schema">The JSON schema of its arguments.</param>
/// <param name="IsStrict">
/// Whether a schema that grammars cannot follow is refused; else the arguments of such a function are any JSON object.
/// </param>
/// <param name="After">What stands behind its arguments.</param>
public sealed record CallRule(string Name, string Before, JsonElement Schema, bool IsStrict, string After);

/// <summary>Reasoning before what the grammar is about.</summary>
/// <param name="Begin">The mark before it.</param>
/// <param name="End">The mark behind it.</param>
/// <param name="IsOpen">Whether the prompt has begun it.</param>
public sealed record ReasoningRule(string Begin, string End, bool IsOpen);

/// <summary>Answers that call functions, and answers that say something instead.</summary>
public sealed record CallGrammar
{
    /// <summary>The functions, at least one.</summary>
    public required IReadOnlyList<CallRule> Calls { get; init; }

    /// <summary>What stands between two calls; null where there is one call only.</summary>
    public string? Between { get; init; }

    /// <summary>Whether an answer may be free text: without calls, or before them where <see cref="StartsBare"/> is false.</summary>
    public bool AllowsText { get; init; }

    /// <summary>What else an answer may be; null for nothing.</summary>
    public GrammarSource? Instead { get; init; }

    /// <summary>Texts that begin a call wherever they stand, so that free text has none of them.</summary>
    public IReadOnlyList<string> Openings { get; init; } = [];

    /// <summary>Whether a brace at the start begins a call, so that free text does not start with one.</summary>
    public bool StartsBare { get; init; }

    /// <summary>What comes before; null for an answer that does not reason.</summary>
    public ReasoningRule? Reasoning { get; init; }

    /// <summary>Special tokens that are allowed where their texts are.</summary>
    public IReadOnlyList<TokenMark> Marks { get; init; } = [];

    /// <summary>The grammar as it travels.</summary>
    public GrammarSource ToSource() => new(GrammarKind.Calls, JsonSerializer.Serialize(this, CallGrammarJson.Default.CallGrammar));

    /// <summary>Reads a grammar that <see cref="ToSource"/> wrote.</summary>
    /// <exception cref="GrammarException">It is none.</exception>
    internal static CallGrammar Read(string text)
    {
        try
        {
            return JsonSerializer.Deserialize(text, CallGrammarJson.Default.CallGrammar) ?? throw new GrammarException("It is no grammar of calls.");
        }
        catch (JsonException)
        {
            throw new GrammarException($"It is no grammar of calls, or is nested more than {GrammarLimits.Nesting} deep.");
        }
    }
}

/// <summary>How a <see cref="CallGrammar"/> is written: deeper than any schema is that a request may have.</summary>
[JsonSourceGenerationOptions(MaxDepth = 256)]
[JsonSerializable(typeof(CallGrammar))]
internal sealed partial class CallGrammarJson : JsonSerializerContext;
