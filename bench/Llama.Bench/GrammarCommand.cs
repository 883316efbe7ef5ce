using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using Llama.Grains.Settings;
using Llama.Model.Grammars;
using Llama.Model.Tokenization;

namespace Llama.Bench;

/// <summary>The options of <c>grammar</c>.</summary>
[Description("Times what a grammar adds to an answer: making it, its first mask, and its masks when they are known.")]
internal sealed record GrammarOptions
{
    /// <summary>The checkpoint.</summary>
    [Description("Folder or .gguf file with the vocabulary.")]
    [Required, ExistingCheckpoint]
    public string Model { get; init; } = "";

    /// <summary>The schema.</summary>
    [Description("File with a JSON schema. Default: an object of an ordinary kind.")]
    public string? Schema { get; init; }
}

/// <summary>Times grammars.</summary>
internal static class GrammarCommand
{
    private const int Runs = 9;
    private const int MostTokens = 400;

    private const string Ordinary = """
        {"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},"email":{"type":"string",
        "format":"email"},"tags":{"type":"array","items":{"type":"string"}},"address":{"type":"object","properties":{"street":{"type":"string"},
        "city":{"type":"string"},"zip":{"type":"string","pattern":"^[0-9]{5}$"}},"required":["street","city"],"additionalProperties":false},
        "kind":{"enum":["private","business"]}},"required":["name","age","email","tags","address","kind"],"additionalProperties":false}
        """;

    /// <summary>Runs the command.</summary>
    public static void Run(GrammarOptions options, TextWriter output)
    {
        ITokenizer tokenizer = TokenizerLoader.Load(options.Model) ?? throw new InvalidDataException($"{options.Model} has no tokenizer.");
        string schema = options.Schema is null ? Ordinary : File.ReadAllText(options.Schema);
        long start = Stopwatch.GetTimestamp();
        var vocabulary = new GrammarVocabulary(tokenizer);
        output.WriteLine($"vocabulary of {tokenizer.VocabSize} tokens sorted in {Stopwatch.GetElapsedTime(start).TotalMilliseconds:F0} ms, once a process");
        var made = new List<double>();
        var first = new List<double>();
        var fresh = new List<double>();
        var known = new List<double>();
        var bytes = new List<double>();
        for (int run = 0; run < Runs; run++)
        {
            start = Stopwatch.GetTimestamp();
            Grammar grammar = Grammar.Compile(new GrammarSource(GrammarKind.JsonSchema, schema), vocabulary, tokenizer.EndTokens);
            made.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            start = Stopwatch.GetTimestamp();
            grammar.Begin(startsText: true).Prepare();
            first.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            fresh.Add(Follow(grammar, tokenizer, bytes));
            known.Add(Follow(grammar, tokenizer, bytes));
        }

        output.WriteLine($"grammar made in {Median(made):F2} ms, first mask in {Median(first):F2} ms (medians of {Runs}; the first run {made[0] + first[0]:F1} ms)");
        output.WriteLine($"each token {Median(fresh) * 1000:F1} µs in the first answer, {Median(known) * 1000:F1} µs in the next; masks of {bytes.Average():F0} bytes, at most {bytes.Max():F0}");
    }

    /// <summary>Follows a random answer.</summary>
    /// <returns>Milliseconds a token.</returns>
    private static double Follow(Grammar grammar, ITokenizer tokenizer, List<double> bytes)
    {
        var random = new Random(1);
        GrammarMatcher matcher = grammar.Begin(startsText: true);
        ulong[] bits = new ulong[(tokenizer.VocabSize + 63) / 64];
        long spent = 0;
        int tokens = 0;
        bool ended = false;
        for (; !ended && tokens < MostTokens; tokens++)
        {
            Array.Clear(bits);
            TokenMask.Read(matcher.Mask, bits);
            bytes.Add(matcher.Mask.Length);
            int token;
            do
            {
                token = random.Next(tokenizer.VocabSize);
            }
            while (((bits[token >> 6] >> (token & 63)) & 1) == 0);
            ended = tokenizer.EndTokens.Contains(token);
            long start = Stopwatch.GetTimestamp();
            matcher.TryTake(token);
            matcher.Prepare();
            spent += Stopwatch.GetTimestamp() - start;
        }

        return Stopwatch.GetElapsedTime(0, spent).TotalMilliseconds / tokens;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
