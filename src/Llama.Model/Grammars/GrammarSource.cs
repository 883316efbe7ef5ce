namespace Llama.Model.Grammars;

/// <summary>In which language a grammar is written.</summary>
public enum GrammarKind
{
    /// <summary>A JSON schema, draft 2020-12.</summary>
    JsonSchema,

    /// <summary>Any JSON object; without a text.</summary>
    JsonObject,

    /// <summary>A regular expression (ECMA-262) that the whole answer matches.</summary>
    Regex,

    /// <summary>A list of texts as a JSON array, of which the answer is one.</summary>
    Choice,

    /// <summary>GBNF, the notation of llama.cpp.</summary>
    Gbnf,

    /// <summary>Calls of functions, as <see cref="Calls.CallGrammar"/> writes them.</summary>
    Calls,
}

/// <summary>A grammar as a client wrote it.</summary>
/// <param name="Kind">Its language.</param>
/// <param name="Text">Its text.</param>
public sealed record GrammarSource(GrammarKind Kind, string Text);
