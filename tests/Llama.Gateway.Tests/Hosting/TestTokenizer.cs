using System.Text;
using System.Text.RegularExpressions;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Tests.Hosting;

/// <summary>One token a byte (ids 0 to 255), three special ones, and whole words that only scripts use.</summary>
internal sealed class TestTokenizer(params string[] words) : ITokenizer
{
    public const int Begin = 256;
    public const int End = 257;
    public const int Step = 258;
    public const int FirstWord = 259;

    private readonly byte[][] bytes =
    [
        .. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }),
        [],
        [],
        [],
        .. words.Select(Encoding.UTF8.GetBytes),
    ];

    public int VocabSize => bytes.Length;

    public int? BeginOfText => Begin;

    public int? EndOfText => End;

    public IReadOnlyList<int> PromptStart => [Begin];

    public IReadOnlyList<int> PromptEnd => [];

    public IReadOnlyList<int> EndTokens { get; init; } = [];

    public bool AddsLeadingSpace { get; init; }

    public InfillTokens? Infill { get; init; } = new(Begin, End, Step, Repository: null, File: Begin);

    /// <summary>A tokenizer of a model that fills gaps, with tokens of their own.</summary>
    public static TestTokenizer ThatInfills() => new("", "", "") { Infill = new InfillTokens(FirstWord, FirstWord + 1, FirstWord + 2, Repository: Step, File: null) };

    public bool IsByte(int id) => false;

    public IReadOnlyList<int> Encode(string text, bool parseSpecial = false) =>
        parseSpecial ? EncodeTemplate(text, null) : [.. Encoding.UTF8.GetBytes(text).Select(value => (int)value)];

    public IReadOnlyList<int> EncodeTemplate(string text, IReadOnlyList<bool>? fromRequest) =>
        [.. Regex.Split(text, "(<begin>|<end>|<step>)").SelectMany(part => FindSpecial(part) is { } special ? [special] : Encode(part))];

    public string? NameOf(int id) => id switch { Begin => "<begin>", End => "<end>", Step => "<step>", _ => null };

    public int? FindSpecial(string name) => name switch
    {
        "<begin>" => Begin,
        "<end>" => End,
        "<step>" => Step,
        _ => null,
    };

    public ReadOnlySpan<byte> TokenBytes(int id) => id >= 0 && id < bytes.Length ? bytes[id] : [];

    /// <summary>The id of one of the words.</summary>
    public int Word(string word) => FirstWord + Array.IndexOf(words, word);
}
