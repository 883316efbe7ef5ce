using System.Text;
using System.Text.Json;
using Llama.Model.Grammars.Calls;
using Llama.Model.Grammars.Expressions;
using Llama.Model.Grammars.Schemas;
using Llama.Model.Grammars.Text;
using Llama.Model.Grammars.Tokens;
using Llama.Model.Tokenization;

namespace Llama.Model.Grammars;

/// <summary>
/// A grammar for answers in the tokens of one vocabulary. What may come next depends on the text so far alone, so a state can be had again
/// from the tokens wherever they are known (<see cref="GrammarMatcher"/>). Shared by all who use it; its states and masks are made when they
/// are first needed, and kept. Special tokens are never allowed, but for those that stand for a text (<see cref="TokenMark"/>); end tokens
/// are where the answer may end.
/// </summary>
public sealed class Grammar
{
    private readonly Lock making = new();
    private readonly GrammarVocabulary vocabulary;
    private readonly IReadOnlyList<int> endTokens;
    private readonly ExprTable table;
    private readonly MaskBuilder builder;
    private readonly Dictionary<int, byte[]> marks;
    private readonly Dictionary<Expr, byte[]> masks = [];

    /// <summary>The masks, each once: most states of a string whose length is bounded have the same.</summary>
    private readonly HashSet<byte[]> distinct = new(new SameBytes());
    private readonly ulong[] bits;
    private byte[]? firstMask;
    private int maskBytes;

    private Grammar(GrammarVocabulary vocabulary, IReadOnlyList<int> endTokens, ExprTable table, Expr start, IEnumerable<TokenMark> marks)
    {
        (this.vocabulary, this.endTokens, this.table, Start) = (vocabulary, endTokens, table, start);
        this.marks = marks.ToDictionary(mark => mark.Token, mark => Encoding.UTF8.GetBytes(mark.Text));
        builder = new MaskBuilder(table, vocabulary.Trie);
        bits = new ulong[(vocabulary.Vocabulary.VocabSize + 63) / 64];
    }

    /// <summary>Where answers start.</summary>
    internal Expr Start { get; }

    /// <summary>The vocabulary.</summary>
    internal IVocabulary Vocabulary => vocabulary.Vocabulary;

    /// <summary>Expressions that it consists of by now.</summary>
    internal int Expressions => table.Count;

    /// <summary>Makes a grammar.</summary>
    /// <param name="source">The grammar as a client wrote it.</param>
    /// <param name="vocabulary">The vocabulary.</param>
    /// <param name="endTokens">Tokens that end an answer.</param>
    /// <exception cref="GrammarException">It is no grammar, is too large, or asks for what is not supported.</exception>
    public static Grammar Compile(GrammarSource source, GrammarVocabulary vocabulary, IReadOnlyList<int> endTokens)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(vocabulary);
        ArgumentNullException.ThrowIfNull(endTokens);
        if (Encoding.UTF8.GetByteCount(source.Text) > GrammarLimits.SourceBytes)
            throw new GrammarException($"The grammar has more than {GrammarLimits.SourceBytes} bytes.");
        var table = new ExprTable(vocabulary.Memory);
        CallGrammar? calls = source.Kind == GrammarKind.Calls ? CallGrammar.Read(source.Text) : null;
        Expr start = calls is null ? Parse(source, table)
            : new CallCompiler(table).Compile(calls, calls.Instead is null ? null : Parse(calls.Instead, table));
        return new Grammar(vocabulary, endTokens, table, table.Seal(start), calls?.Marks ?? []);
    }

    /// <summary>Begins an answer.</summary>
    /// <param name="startsText">Whether its first token is the first of a whole text, see <see cref="StreamingDecoder"/>.</param>
    public GrammarMatcher Begin(bool startsText) => new(this, startsText && Vocabulary.AddsLeadingSpace);

    /// <summary>Whether a token ends an answer.</summary>
    internal bool Ends(int token) => endTokens.Contains(token);

    /// <summary>The bytes that a token adds to the text.</summary>
    internal ReadOnlySpan<byte> BytesOf(int token) => marks.TryGetValue(token, out byte[]? mark) ? mark : Vocabulary.TokenBytes(token);

    /// <summary>The state behind a text.</summary>
    /// <returns>Null when the grammar does not allow it.</returns>
    internal Expr? Follow(Expr state, ReadOnlySpan<byte> text)
    {
        lock (making)
        {
            foreach (byte value in text) state = table.Derive(state, value);
            return state == table.Nothing ? null : state;
        }
    }

    /// <summary>The mask of a state.</summary>
    /// <param name="state">The state; null behind the end.</param>
    /// <param name="dropsSpace">Whether a space at the beginning of the next token is no part of the text.</param>
    internal byte[] MaskOf(Expr? state, bool dropsSpace)
    {
        lock (making)
        {
            if (dropsSpace) return firstMask ??= Make(state!, true);
            state ??= table.Empty;
            if (masks.TryGetValue(state, out byte[]? mask)) return mask;
            mask = Make(state, false);
            if (distinct.TryGetValue(mask, out byte[]? same)) return masks[state] = same;
            if ((maskBytes += mask.Length) > GrammarLimits.MaskBytes)
            {
                masks.Clear();
                distinct.Clear();
                maskBytes = mask.Length;
            }

            distinct.Add(mask);
            return masks[state] = mask;
        }
    }

    private static Expr Parse(GrammarSource source, ExprTable table)
    {
        switch (source.Kind)
        {
            case GrammarKind.Regex:
                return RegexParser.Whole(table, source.Text);
            case GrammarKind.Gbnf:
                return GbnfParser.Parse(table, source.Text);
            case GrammarKind.Choice:
                using (JsonDocument list = ParseJson(source.Text))
                    return table.Lexeme(table.Alternatives([.. list.RootElement.EnumerateArray().Select(text => table.Literal(text.GetString()!))]));
            default:
                using (JsonDocument schema = ParseJson(source.Kind == GrammarKind.JsonObject ? """{"type":"object"}""" : source.Text))
                    return SchemaCompiler.Compile(table, schema.RootElement);
        }
    }

    private static JsonDocument ParseJson(string text)
    {
        try
        {
            return JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = GrammarLimits.Nesting });
        }
        catch (JsonException)
        {
            throw new GrammarException($"It is no JSON, or is nested more than {GrammarLimits.Nesting} deep.");
        }
    }

    private byte[] Make(Expr state, bool dropsSpace)
    {
        Array.Clear(bits);
        builder.Add(state, bits);
        if (dropsSpace)
        {
            foreach (int token in vocabulary.Spaced) bits[token >> 6] &= ~(1UL << (token & 63));
            if (vocabulary.SpaceNode is { } space) builder.AddBelow(state, space, bits);
        }

        foreach ((int token, byte[] mark) in marks)
        {
            if (Follow(state, mark) is not null) bits[token >> 6] |= 1UL << (token & 63);
        }

        foreach (int token in endTokens) bits[token >> 6] &= ~(1UL << (token & 63));
        if (state.Nullable)
        {
            foreach (int token in endTokens) bits[token >> 6] |= 1UL << (token & 63);
        }

        return TokenMask.Write(bits, Vocabulary.VocabSize);
    }

    private sealed class SameBytes : IEqualityComparer<byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj)
        {
            var hash = default(HashCode);
            hash.AddBytes(obj);
            return hash.ToHashCode();
        }
    }
}
