using System.Text.RegularExpressions;

namespace Llama.Model.Tokenization;

/// <summary>
/// How a byte-level tokenizer cuts a text before anything merges: a closed list, with llama.cpp's names (<c>llama-vocab.cpp</c>) and the
/// patterns that the models' <c>tokenizer.json</c> have.
/// </summary>
internal sealed class PreTokenizer
{
    private const RegexOptions Options = RegexOptions.CultureInvariant;
    /// <summary>GPT-2's pattern, which ByteLevel of <c>tokenizer.json</c> has built in.</summary>
    public const string Gpt2Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
    private const string TekkenPattern =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
        + @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string SeedCoderPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string VikingPattern = @" ?[^(\s|.,!?…。，、।۔،)]+";
    private const string CasedStart = @"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿ";
    private const string CasedPattern = CasedStart
        + "\u01C4-\u0293\u0295-\u02AF\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481"
        + "\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A"
        + "\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE"
        + "\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D"
        + "\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE"
        + "\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A"
        + "\uFF41-\uFF5A]+";
    private const string PunctuationPattern = "\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+";
    private const string HanPattern = "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+";
    private const string TrailingSpace = @"\s+$";

    // A step is Llama 3's pattern with up to three or one digit, which have a scanner of their own, or an expression.
    private const string Llama3 = Llama3Splitter.Pattern;
    private const string Qwen2 = Llama3Splitter.OneDigitPattern;
    private const string Digit = @"\p{N}";
    private const string Digits = @"\p{N}+";
    private const string LineBreak = "[\r\n]";

    // Patterns of tokenizer.json that are written otherwise; matches that only fill gaps make no difference.
    private static readonly Dictionary<string, string> Spellings = new()
    {
        [Gpt2Pattern + @"|\s+"] = Gpt2Pattern,
        [@"[\r\n]"] = LineBreak,
    };

    private static readonly string[] Known =
    [
        Llama3, Qwen2, Gpt2Pattern, TekkenPattern, SeedCoderPattern, VikingPattern, CasedPattern, PunctuationPattern, HanPattern, TrailingSpace,
        Digit, Digits, @"\p{N}{1,3}", LineBreak, @"\s?\p{L}+", @"\s?\p{P}+",
    ];

    private static readonly PreTokenizer[] All =
    [
        new(["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"], [Llama3], wholePiecesFirst: true, addsBeginOfText: true),
        new(["smaug-bpe", "dbrx"], [Llama3]),
        new(["qwen2"], [Qwen2]),
        new(["tekken"], [TekkenPattern], wholePiecesFirst: true, addsBeginOfText: true),
        new(["seed-coder"], [SeedCoderPattern]),
        new(["gpt-2"], [Gpt2Pattern]),
        new(["smollm", "minerva-7b"], [Digit, Gpt2Pattern]),
        new(["viking"], [VikingPattern, Digit]),
        new(["deepseek-llm"], [LineBreak, CasedPattern, PunctuationPattern, TrailingSpace, HanPattern, Digits]),
        new(["deepseek-coder"], [LineBreak, @"\s?\p{L}+", @"\s?\p{P}+", HanPattern, Digit]),
        new(["default"], [@"[\p{P}\$\+<=>\^~\|]+", Gpt2Pattern, Digits, "[0-9][0-9][0-9]"]),
    ];

    private readonly string[] names;
    private readonly string[] steps;
    private readonly Lazy<PatternSplitter> splitter;

    private PreTokenizer(string[] names, string[] steps, bool wholePiecesFirst = false, bool addsBeginOfText = false)
    {
        this.names = names;
        this.steps = steps;
        WholePiecesFirst = wholePiecesFirst;
        AddsBeginOfText = addsBeginOfText;

        // From the end the blanks there are found at once; from the front every run of blanks would be tried.
        splitter = new(() => new PatternSplitter([.. steps.Select(step => step == TrailingSpace
            ? new Regex(@"\s+\z", Options | RegexOptions.RightToLeft)
            : new Regex(step, Options))]));
    }

    /// <summary>Llama 3's.</summary>
    public static PreTokenizer OfLlama3 => All[0];

    /// <summary>What llama.cpp takes where a file names none.</summary>
    public static PreTokenizer Default => All[^1];

    /// <summary>All names, for messages.</summary>
    public static string Names => string.Join(", ", All.SelectMany(one => one.names));

    /// <summary>Its name in GGUF files; null where <c>tokenizer.json</c> has a sequence that no name stands for.</summary>
    public string? Name => names.Length > 0 ? names[0] : null;

    /// <summary>Whether a piece that is a token is taken as it is, even where merges would not lead to it.</summary>
    public bool WholePiecesFirst { get; }

    /// <summary>Whether begin-of-text goes before a prompt where a GGUF file does not say.</summary>
    public bool AddsBeginOfText { get; }

    /// <summary>The one that a GGUF file names, or null.</summary>
    public static PreTokenizer? Find(string name) => All.FirstOrDefault(one => one.names.Contains(name));

    /// <summary>Whether an expression of <c>tokenizer.json</c> is among those that are known.</summary>
    public static bool IsKnown(string pattern) => Known.Contains(Normal(pattern));

    /// <summary>The one of a <c>tokenizer.json</c>.</summary>
    /// <param name="patterns">Expressions that are known, in their order.</param>
    /// <param name="wholePiecesFirst">Its <c>ignore_merges</c>.</param>
    public static PreTokenizer Of(IEnumerable<string> patterns, bool wholePiecesFirst)
    {
        string[] steps = [.. patterns.Select(Normal)];
        return All.FirstOrDefault(one => one.WholePiecesFirst == wholePiecesFirst && one.steps.SequenceEqual(steps))
            ?? new PreTokenizer([], steps, wholePiecesFirst);
    }

    /// <summary>Cuts a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="lengths">Receives the lengths of the pieces, in UTF-16 units.</param>
    public void Split(ReadOnlySpan<char> text, List<int> lengths)
    {
        if (steps is not [Llama3 or Qwen2])
        {
            splitter.Value.Split(text, lengths);
            return;
        }

        int mostDigits = steps[0] == Llama3 ? 3 : 1;
        while (!text.IsEmpty)
        {
            int length = Llama3Splitter.FirstPiece(text, mostDigits);
            lengths.Add(length);
            text = text[length..];
        }
    }

    private static string Normal(string pattern) =>
        pattern.StartsWith(CasedStart, StringComparison.Ordinal) ? CasedPattern : Spellings.GetValueOrDefault(pattern, pattern);
}
