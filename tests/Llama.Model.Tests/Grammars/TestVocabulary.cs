using System.Text;
using Llama.Model.Grammars;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Grammars;

/// <summary>A token for each byte, some longer ones, and an end token, which is the last.</summary>
internal sealed class TestVocabulary(bool addsLeadingSpace, params string[] longer) : IVocabulary
{
    private readonly byte[][] tokens =
        [.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }), .. longer.Select(Encoding.UTF8.GetBytes), []];

    public static TestVocabulary Bytes { get; } = new(false);

    public static GrammarVocabulary ForGrammars { get; } = new(Bytes);

    public int VocabSize => tokens.Length;

    public int End => tokens.Length - 1;

    public bool AddsLeadingSpace => addsLeadingSpace;

    public ReadOnlySpan<byte> TokenBytes(int id) => tokens[id];

    public bool IsByte(int id) => id < 256;

    public static Grammar Compile(GrammarKind kind, string text) => Grammar.Compile(new GrammarSource(kind, text), ForGrammars, [Bytes.End]);

    /// <summary>Whether a grammar allows a whole text.</summary>
    public static bool Accepts(Grammar grammar, string text)
    {
        GrammarMatcher matcher = grammar.Begin(startsText: false);
        return Encoding.UTF8.GetBytes(text).All(value => matcher.TryTake(value)) && matcher.CanEnd;
    }

    /// <summary>The tokens that a matcher allows.</summary>
    public static List<int> Allowed(GrammarMatcher matcher, int vocabSize)
    {
        Assert.Null(TokenMask.FindFault(matcher.Mask, vocabSize));
        ulong[] bits = new ulong[(vocabSize + 63) / 64];
        TokenMask.Read(matcher.Mask, bits);
        return [.. Enumerable.Range(0, vocabSize).Where(token => ((bits[token >> 6] >> (token & 63)) & 1) != 0)];
    }
}
