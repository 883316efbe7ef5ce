using System.Text.Json;
using Llama.Model.Chat.Tools;
using Llama.Model.Grammars;
using Llama.Model.Grammars.Calls;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Grammars;

public sealed class CallGrammarTests
{
    private const string City = """{"type":"object","properties":{"city":{"type":"string"},"days":{"$ref":"#/$defs/n"}},"required":["city"],"additionalProperties":false,"$defs":{"n":{"type":"integer"}}}""";

    [Theory]
    [InlineData(ToolFormKind.Json, "{\"name\": \"f\", \"parameters\": {\"city\": \"x\", \"days\": 2}}", true)]
    [InlineData(ToolFormKind.Json, "{\"name\": \"g\", \"parameters\": {}}\n{\"name\": \"g\", \"parameters\": {}}", true)]
    [InlineData(ToolFormKind.Json, "{\"name\": \"f\", \"parameters\": {\"days\": 2}}", false)]
    [InlineData(ToolFormKind.Json, "{\"name\": \"h\", \"parameters\": {}}", false)]
    [InlineData(ToolFormKind.Json, "Hi", false)]
    [InlineData(ToolFormKind.Tagged, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"x\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>", true)]
    [InlineData(ToolFormKind.Tagged, "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", false)]
    [InlineData(ToolFormKind.Function, "<function=f>{\"city\": \"x\"}</function><function=g>{}</function>", true)]
    [InlineData(ToolFormKind.Function, "<function=f>{\"city\": 1}</function>", false)]
    public void Required_Text_IsACallOrSeveral(ToolFormKind kind, string text, bool isAllowed) =>
        Assert.Equal(isAllowed, TestVocabulary.Accepts(Compile(Grammar(kind)), text));

    [Theory]
    [InlineData(ToolFormKind.Json, "", true)]
    [InlineData(ToolFormKind.Json, "It is {\"a\": 1} and < 3.", true)]
    [InlineData(ToolFormKind.Json, " {\"a\": 1}", false)]
    [InlineData(ToolFormKind.Json, "Look <|python_tag|>x", false)]
    [InlineData(ToolFormKind.Json, "{\"name\": \"f\", \"parameters\": {\"city\": \"x\"}}", true)]
    [InlineData(ToolFormKind.Tagged, "Wait é <tool_cal <tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>", true)]
    [InlineData(ToolFormKind.Tagged, "{\"a\": 1}", true)]
    [InlineData(ToolFormKind.Tagged, "Wait <tool_call>", false)]
    [InlineData(ToolFormKind.Tagged, "Wait <tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", false)]
    public void WithText_Text_IsFreeButNoOtherCall(ToolFormKind kind, string text, bool isAllowed) =>
        Assert.Equal(isAllowed, TestVocabulary.Accepts(Compile(Grammar(kind) with { AllowsText = true }), text));

    [Fact]
    public void Between_None_AllowsOneCall()
    {
        Grammar grammar = Compile(Grammar(ToolFormKind.Function) with { Between = null });
        Assert.True(TestVocabulary.Accepts(grammar, "<function=g>{}</function>"));
        Assert.False(TestVocabulary.Accepts(grammar, "<function=g>{}</function><function=g>{}</function>"));
    }

    [Fact]
    public void Instead_AnotherGrammar_IsFollowedByAnswersWithoutACall()
    {
        Grammar grammar = Compile(Grammar(ToolFormKind.Json) with { Instead = new GrammarSource(GrammarKind.JsonSchema, """{"type":"object","properties":{"x":{"type":"null"}},"required":["x"],"additionalProperties":false}""") });
        Assert.True(TestVocabulary.Accepts(grammar, "{\"x\": null}"));
        Assert.True(TestVocabulary.Accepts(grammar, "{\"name\": \"f\", \"parameters\": {\"city\": \"x\"}}"));
        Assert.False(TestVocabulary.Accepts(grammar, "Hi"));
    }

    [Theory]
    [InlineData(false, "{\"name\": \"g\", \"parameters\": {}}", true)]
    [InlineData(false, "<think>\nHm {</think>\n\n{\"name\": \"g\", \"parameters\": {}}", true)]
    [InlineData(false, "<think>Hm{\"name\": \"g\", \"parameters\": {}}", false)]
    [InlineData(true, "Hm</think>{\"name\": \"g\", \"parameters\": {}}", true)]
    [InlineData(true, "{\"name\": \"g\", \"parameters\": {}}", false)]
    public void Reasoning_Text_ComesBeforeTheCall(bool isOpen, string text, bool isAllowed) => Assert.Equal(
        isAllowed, TestVocabulary.Accepts(Compile(Grammar(ToolFormKind.Json) with { Reasoning = new ReasoningRule("<think>", "</think>", isOpen) }), text));

    [Fact]
    public void Schema_ThatGrammarsCannotFollow_IsAnyObjectOrRefused()
    {
        const string Unserved = """{"type":"object","properties":{"a":{"$ref":"#"},"b":{"type":"array","uniqueItems":true}}}""";
        Grammar grammar = Compile(Grammar(ToolFormKind.Json, Unserved));
        Assert.True(TestVocabulary.Accepts(grammar, "{\"name\": \"f\", \"parameters\": {\"b\": [1, 1], \"c\": 2}}"));
        Assert.False(TestVocabulary.Accepts(grammar, "{\"name\": \"f\", \"parameters\": [1]}"));
        var refused = Assert.Throws<GrammarException>(() => Compile(Grammar(ToolFormKind.Json, Unserved, isStrict: true)));
        Assert.StartsWith("the parameters of 'f': ", refused.Message, StringComparison.Ordinal);
        Assert.Contains("uniqueItems", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Marks_SpecialTokens_AreAllowedWhereTheirTextsAre()
    {
        var vocabulary = new TestVocabulary(false);
        int mark = vocabulary.End;
        Grammar grammar = Llama.Model.Grammars.Grammar.Compile(
            (Grammar(ToolFormKind.Tagged) with { Marks = [new TokenMark(mark, "<tool_call>")] }).ToSource(), new GrammarVocabulary(vocabulary), []);
        GrammarMatcher matcher = grammar.Begin(startsText: true);
        Assert.Equal(['<', mark], TestVocabulary.Allowed(matcher, vocabulary.VocabSize));
        Assert.True(matcher.TryTake(mark));
        Assert.Equal(['\n'], TestVocabulary.Allowed(matcher, vocabulary.VocabSize));
        Assert.False(matcher.TryTake(mark));
    }

    private static Grammar Compile(CallGrammar grammar)
    {
        GrammarSource source = grammar.ToSource();
        return TestVocabulary.Compile(source.Kind, source.Text);
    }

    private static CallGrammar Grammar(ToolFormKind kind, string schema = City, bool isStrict = false)
    {
        var form = new ToolForm(kind, true, true, []);
        return new CallGrammar
        {
            Calls =
            [
                new CallRule("f", form.Before("f"), JsonElement.Parse(schema), isStrict, form.After),
                new CallRule("g", form.Before("g"), JsonElement.Parse("""{"type":"object","maxProperties":0}"""), true, form.After),
            ],
            Between = form.Between,
            Openings = form.Openings,
            StartsBare = form.StartsBare,
        };
    }
}
