using System.Text.Json.Nodes;
using Llama.Model.Chat;
using Llama.Model.Tests.Tokenization;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Chat;

public sealed class ReasoningMarksTests
{
    private const int First = 265;

    [Fact]
    public void Find_NeitherVocabularyNorTemplateHasMarks_IsNone()
    {
        Assert.Null(ReasoningMarks.Find(With(), ["{{ messages[0].content }}"]));
        Assert.Null(ReasoningMarks.Find(With(("<think>", false)), []));
    }

    [Fact]
    public void Find_TemplateAlone_HasMarksOfText() =>
        Assert.Equal(new ReasoningMarks("<think>", "</think>", null, null), ReasoningMarks.Find(With(), ["{{ content.split('</think>') }}"]));

    [Fact]
    public void Find_AddedTokens_AreTextUnlessTheyAreSpecial()
    {
        Assert.Equal(new ReasoningMarks("<think>", "</think>", null, null), ReasoningMarks.Find(With(("<think>", false), ("</think>", false)), []));
        Assert.Equal(
            new ReasoningMarks("[THINK]", "[/THINK]", First, First + 1), ReasoningMarks.Find(With(("[THINK]", true), ("[/THINK]", true)), []));
    }

    [Theory]
    [InlineData("a<think>", true)]
    [InlineData("a<think> \n", true)]
    [InlineData("a<think>b", false)]
    [InlineData("a<think></think>", false)]
    [InlineData("ab", false)]
    [InlineData("", false)]
    public void IsOpenAfter_Prompt_EndsWithTheMark(string text, bool expected)
    {
        ITokenizer tokenizer = With();
        Assert.Equal(expected, ReasoningMarks.Find(tokenizer, ["</think>"])!.IsOpenAfter(tokenizer.Encode(text), tokenizer));
    }

    [Fact]
    public void IsOpenAfter_SpecialToken_CountsThoughItHasNoText()
    {
        ITokenizer tokenizer = With(("[THINK]", true), ("[/THINK]", true));
        ReasoningMarks marks = ReasoningMarks.Find(tokenizer, [])!;
        Assert.True(marks.IsOpenAfter([.. tokenizer.Encode("a"), First, .. tokenizer.Encode("\n")], tokenizer));
        Assert.False(marks.IsOpenAfter([.. tokenizer.Encode("a"), First, First + 1], tokenizer));
    }

    private static ITokenizer With(params (string Name, bool Special)[] added)
    {
        JsonObject json = SentencePieceJson.Create(["\u2581", "a", "b", "\u2581a", "ab", "aba"], ["\u2581 a", "a b", "ab a"]);
        for (int index = 0; index < added.Length; index++)
            json["added_tokens"]!.AsArray().Add(SentencePieceJson.Added(added[index].Name, First + index, added[index].Special));
        return TokenizerJson.Read(SentencePieceJson.Write(json), "x.json", TokenizerFacts.None);
    }
}
