namespace Llama.Model.Grammars;

/// <summary>What a grammar may take: far beyond any that is used, far within what would exhaust the process.</summary>
public static class GrammarLimits
{
    /// <summary>Most bytes of a grammar's text.</summary>
    public const int SourceBytes = 1 << 19;

    /// <summary>Expressions that a grammar may consist of, those of its states included.</summary>
    internal const int Expressions = 1 << 16;

    /// <summary>Expressions of all grammars that are in use; each takes some hundred bytes.</summary>
    internal const long AllExpressions = 1 << 21;

    /// <summary>Parts that expressions may be built from, all together: what bounds the time.</summary>
    internal const long Work = 1L << 22;

    /// <summary>Schemas within each other, or brackets.</summary>
    internal const int Nesting = 64;

    /// <summary>Sets of subschemas that hold at once for one value.</summary>
    internal const int SchemaSets = 20_000;

    /// <summary>Bytes of masks that a grammar keeps; those that are forgotten are made again.</summary>
    internal const int MaskBytes = 4 << 20;

    /// <summary>Lexemes and states with far bounds whose tokens a grammar keeps.</summary>
    internal const int Lexemes = 128;

    /// <summary>Alternatives of a state that are looked at one by one.</summary>
    internal const int Alternatives = 32;
}
