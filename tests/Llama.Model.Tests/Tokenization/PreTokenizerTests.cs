using System.Diagnostics;
using System.Text.Json;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Model.Tests.Tokenization;

public class PreTokenizerTests
{
    private static readonly JsonElement Golden = JsonDocument.Parse(File.ReadAllBytes(
        Path.Combine(TestPaths.Root, "tests", "Llama.Model.Tests", "Tokenization", "pre-tokenizers.json"))).RootElement;

    [Theory]
    [InlineData("llama-bpe")]
    [InlineData("falcon3", "llama-bpe")]
    [InlineData("pixtral", "llama-bpe")]
    [InlineData("smaug-bpe", "llama-bpe")]
    [InlineData("dbrx", "llama-bpe")]
    [InlineData("qwen2")]
    [InlineData("tekken")]
    [InlineData("seed-coder")]
    [InlineData("gpt-2")]
    [InlineData("smollm")]
    [InlineData("minerva-7b", "smollm")]
    [InlineData("viking")]
    [InlineData("deepseek-llm")]
    [InlineData("deepseek-coder")]
    [InlineData("default")]
    public void Split_Texts_CutsAsTheModelsOwnPatterns(string name, string? alike = null)
    {
        PreTokenizer preTokenizer = PreTokenizer.Find(name)!;
        JsonElement expected = Golden.GetProperty("pieces").GetProperty(alike ?? name);
        int count = 0;
        foreach (JsonElement element in Golden.GetProperty("texts").EnumerateArray())
        {
            string text = element.GetString()!;
            Assert.Equal(expected[count++].GetString(), string.Join('\0', Split(preTokenizer, text)));
        }

        Assert.True(count > 70);
    }

    [Theory]
    [InlineData("llama-bpe", true, true)]
    [InlineData("tekken", true, true)]
    [InlineData("smaug-bpe", false, false)]
    [InlineData("qwen2", false, false)]
    public void Find_Name_KnowsHowMergesBeginAndWhetherATextDoes(string name, bool wholePiecesFirst, bool addsBeginOfText)
    {
        PreTokenizer found = PreTokenizer.Find(name)!;
        Assert.Equal((wholePiecesFirst, addsBeginOfText), (found.WholePiecesFirst, found.AddsBeginOfText));
    }

    [Fact]
    public void Find_OtherName_IsNull() => Assert.Null(PreTokenizer.Find("gpt-4o"));

    [Theory]
    [InlineData("gpt-2")]
    [InlineData("tekken")]
    [InlineData("deepseek-llm")]
    [InlineData("default")]
    public void Split_LongRuns_TakesLinearTime(string name)
    {
        PreTokenizer preTokenizer = PreTokenizer.Find(name)!;
        var watch = Stopwatch.StartNew();
        foreach (string part in (string[])[" ", "A", "\u4E00", "1", "\n", "\u0301", "!", " a"])
            Assert.NotEmpty(Split(preTokenizer, string.Concat(Enumerable.Repeat(part, 100_000)) + "x"));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"{watch.Elapsed}");
    }

    private static List<string> Split(PreTokenizer preTokenizer, string text)
    {
        var lengths = new List<int>();
        preTokenizer.Split(text, lengths);
        var pieces = new List<string>();
        int at = 0;
        foreach (int length in lengths)
        {
            pieces.Add(text.Substring(at, length));
            at += length;
        }

        Assert.Equal(text.Length, at);
        return pieces;
    }
}
