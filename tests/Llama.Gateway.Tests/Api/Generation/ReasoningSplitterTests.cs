using Llama.Gateway.Api.Generation;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Model.Chat;
using Llama.Model.Sampling;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Tests.Api.Generation;

public sealed class ReasoningSplitterTests
{
    private static readonly ReasoningMarks Marks = new("<think>", "</think>", null, null);

    [Theory]
    [InlineData(false, "Hi", "", "Hi")]
    [InlineData(false, " \nHi", "", " \nHi")]
    [InlineData(false, "  ", "", "  ")]
    [InlineData(false, "<think>\nA b\n\n</think>\n\nHi", "A b", "Hi")]
    [InlineData(false, "\n<think>A</think>Hi <think>B</think>", "A", "Hi <think>B</think>")]
    [InlineData(false, "<think>A <b> </thin", "A <b> </thin", "")]
    [InlineData(false, "<think>A </ </think", "A </ </think", "")]
    [InlineData(false, "<think></think>Hi", "", "Hi")]
    [InlineData(false, "<think>A<</</think>\n", "A<</", "")]
    [InlineData(false, "<thin", "", "<thin")]
    [InlineData(false, "<thing>Hi", "", "<thing>Hi")]
    [InlineData(true, "A\n</think>\nHi ", "A", "Hi ")]
    [InlineData(true, "A\n", "A", "")]
    [InlineData(true, "<think>A</think>Hi", "<think>A", "Hi")]
    public void Append_HoweverTheTextIsCut_GivesTheSameParts(bool isOpen, string text, string reasoning, string content)
    {
        var random = new Random(3);
        for (var attempt = 0; attempt < 50; attempt++)
        {
            var splitter = new ReasoningSplitter(new ChoiceReasoning(Marks, isOpen));
            string thought = "", said = "";
            for (int at = 0, length; at < text.Length; at += length)
            {
                length = Math.Min(random.Next(1, attempt + 2), text.Length - at);
                Add(splitter.Append(text.Substring(at, length)));
            }

            Add(splitter.Flush());
            Assert.Equal((reasoning, content), (thought, said));

            void Add((string Reasoning, string Content) part)
            {
                thought += part.Reasoning;
                said += part.Content;
            }
        }
    }

    [Theory]
    [InlineData(false, "<think>ab</think>c", 17)]
    [InlineData(false, " <think>ab", 10)]
    [InlineData(false, "<thing>ab", 0)]
    [InlineData(true, "ab</think>\nc", 10)]
    public void Append_OneCharacterATokenEach_CountsTheMarks(bool isOpen, string text, int tokens)
    {
        var counter = new ReasoningCounter(new ChoiceReasoning(Marks, isOpen));
        Assert.Equal(tokens, text.Sum(character => counter.Append(character.ToString())));
    }

    /// <summary>A stop string holds text back, which must not move tokens from one part to the other.</summary>
    [Fact]
    public void Append_StopStringsInReach_CountTheSameTokensAndEndTheTextWhereverTheyStand()
    {
        Assert.Equal(("ab", "cd", 17, null), Run("<think>ab</think>cd", "</think>cde"));
        Assert.Equal(("a", "", 9, "stop"), Run("<think>ab</think>cd", "b"));
        Assert.Equal(("ab", "", 17, "stop"), Run("<think>ab</think>cd", "</think>"));
        Assert.Equal(("ab", "c", 17, "stop"), Run("<think>ab</think>cd", "d"));
    }

    [Fact]
    public void Append_MarksThatAreSpecialTokens_AreSeenThoughTheyHaveNoText()
    {
        var marks = new ReasoningMarks("[THINK]", "[/THINK]", TestTokenizer.Begin, TestTokenizer.Step);
        Assert.Equal(("a", "b", 3, "stop"), Run(marks, [TestTokenizer.Begin, 'a', TestTokenizer.Step, 'b', TestTokenizer.End], []));
    }

    private static (string Reasoning, string Content, int Tokens, string? Finish) Run(string text, string stop) =>
        Run(Marks, [.. text.Select(character => (int)character)], [stop]);

    private static (string Reasoning, string Content, int Tokens, string? Finish) Run(ReasoningMarks marks, int[] tokens, string[] stops)
    {
        var text = new ChoiceText(
            0, new StreamingDecoder(new TestTokenizer(), startsText: true), new StopMatcher(new StopStrings(stops)), minTokens: 0, echo: "",
            new ChoiceReasoning(marks, false), format: null);
        string thought = "", said = "";
        var reasoned = 0;
        for (var index = 0; index < tokens.Length; index++)
        {
            FinishReason? finish = tokens[index] == TestTokenizer.End ? FinishReason.Stop
                : stops.Length > 0 && index == tokens.Length - 1 ? FinishReason.Length : null;
            var piece = text.Append(new GeneratedToken(new TokenLogprob(tokens[index], 0), [], finish, 0));
            (thought, said, reasoned) = (thought + piece.Reasoning, said + piece.Text, reasoned + piece.ReasoningTokens);
            if (piece.Finish == "stop") return (thought, said, reasoned, piece.Finish);
        }

        return (thought, said, reasoned, null);
    }
}
