using System.Diagnostics;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Tokenization;

/// <summary>Time grows about linearly with the text: bounds are generous, and quadratic work would break them by far.</summary>
public class TokenizerSpeedTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    public static TheoryData<string> Tokenizers => ["llama2/tokenizer.model", "llama3/tokenizer.model", "tinystories", "small-tiktoken"];

    [Theory]
    [MemberData(nameof(Tokenizers))]
    public void Encode_LongTexts_TakesSeconds(string name)
    {
        ITokenizer tokenizer = TestTokenizers.Get(name);
        tokenizer.Encode("warm");
        foreach ((string what, string text) in Texts())
        {
            var watch = Stopwatch.StartNew();
            IReadOnlyList<int> ids = tokenizer.Encode(text);
            TimeSpan encoding = watch.Elapsed;
            string back = tokenizer.Decode(ids);
            output.WriteLine($"{name}, {what}: {text.Length} characters, {ids.Count} tokens, "
                + $"encode {encoding.TotalMilliseconds:F0} ms, decode {(watch.Elapsed - encoding).TotalMilliseconds:F0} ms");
            Assert.True(watch.Elapsed < Limit, $"{what} took {watch.Elapsed}");
            if (name != "tinystories") Assert.Equal(text, back); // which keeps no run of spaces
        }
    }

    private static IEnumerable<(string What, string Text)> Texts()
    {
        foreach (char character in "a \n7'\u0301é")
            yield return ($"U+{(int)character:X4}", new string(character, 100_000));
        const string Sentence = "The 3 llamas didn't see \"Ünïcödé\" 日本語 🦙 in the park;\n\n\tthey'd gone home  at 12345 o'clock. ";
        yield return ("sentences", string.Concat(Enumerable.Repeat(Sentence, 1_000_000 / Sentence.Length)));
        var random = new Random(2);
        yield return ("random letters", string.Concat(Enumerable.Range(0, 1_000_000).Select(_ => (char)random.Next('a', 'z' + 1))));
    }
}
