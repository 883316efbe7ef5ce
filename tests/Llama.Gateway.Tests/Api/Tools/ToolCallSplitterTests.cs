using Llama.Gateway.Api.Tools;
using Llama.Model.Chat.Tools;

namespace Llama.Gateway.Tests.Api.Tools;

public sealed class ToolCallSplitterTests
{
    private static readonly HashSet<string> Names = ["f", "get_weather", "brave_search"];

    [Theory]
    [InlineData("Hi", "Hi")]
    [InlineData(" \nHi ", " \nHi ")]
    [InlineData("{", "{")]
    [InlineData("{\"a\": 1}", "{\"a\": 1}")]
    [InlineData("{\"name\": \"g\", \"parameters\": {}}", "{\"name\": \"g\", \"parameters\": {}}")]
    [InlineData("{\"name\": \"f\", \"age\": 3}", "{\"name\": \"f\", \"age\": 3}")]
    [InlineData("{\"name\": \"f\", \"parameters\": [1]}", "{\"name\": \"f\", \"parameters\": [1]}")]
    [InlineData("{\"name\": \"f\"", "{\"name\": \"f\"")]
    [InlineData("{\"parameters\": {\"a\": 1}, \"name\": \"g\"} x", "{\"parameters\": {\"a\": 1}, \"name\": \"g\"} x")]
    [InlineData("Look: {\"name\": \"f\", \"parameters\": {}}", "Look: {\"name\": \"f\", \"parameters\": {}}")]
    [InlineData("{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "", "f {\"a\": 1}")]
    [InlineData(" \n{\"name\":\"f\",\"parameters\":{\"a\":\"}\\\"{\"}} \n", "", "f {\"a\":\"}\\\"{\"}")]
    [InlineData("{\"type\": \"function\", \"name\": \"f\", \"id\": [1, {\"b\": \"]\"}], \"parameters\": {}}", "", "f {}")]
    [InlineData("{\"parameters\": {\"a\": [{}]}, \"name\": \"f\"}", "", "f {\"a\": [{}]}")]
    [InlineData("{\"function\": \"f\", \"arguments\": null}", "", "f {}")]
    [InlineData("{\"name\": \"f\", \"parameters\": {\"a\": 1}}; {\"name\": \"f\", \"parameters\": {\"a\": 2}}", "", "f {\"a\": 1}", "f {\"a\": 2}")]
    [InlineData("{\"name\": \"f\", \"parameters\": {}}\n{\"name\": \"get_weather\", \"parameters\": {}} and more", " and more", "f {}", "get_weather {}")]
    [InlineData("{\"name\": \"f\", \"parameters\": {\"a\": 1", "", "f {\"a\": 1")]
    [InlineData("{\"name\": \"f\", \"parameters\": {\"a\": 1}x y", "x y", "f {\"a\": 1}")]
    [InlineData("<|python_tag|>{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "", "f {\"a\": 1}")]
    [InlineData("I look.\n<|python_tag|>brave_search.call(query=\"a (b), c=d\", n=3)", "I look.", "brave_search {\"query\":\"a (b), c=d\",\"n\":3}")]
    [InlineData("<|python_tag|>print(1)", "<|python_tag|>print(1)")]
    [InlineData("<|python_tag|> g.call(x=1)", "<|python_tag|> g.call(x=1)")]
    [InlineData("<|python", "<|python")]
    [InlineData("a <b <|c", "a <b <|c")]
    public void Append_JsonForm_GivesContentAndCalls(string text, string content, params string[] calls) =>
        Check(ToolFormKind.Json, Names, text, content, calls);

    [Theory]
    [InlineData("print(\"a\\n\")\n1 < 2", "python {\"code\": \"print(\\u0022a\\\\n\\u0022)\\n1 < 2\"}")]
    [InlineData("x", "python {\"code\": \"x\"}")]
    [InlineData("python.call(code=\"1\")", "python {\"code\":\"1\"}")]
    [InlineData("os.call(1)", "python {\"code\": \"os.call(1)\"}")]
    public void Append_CodeBehindThePythonTag_CallsTheInterpreter(string code, string call) =>
        Check(ToolFormKind.Json, ["python"], "<|python_tag|>" + code, "", call);

    [Theory]
    [InlineData("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>", "", "f {\"a\": 1}")]
    [InlineData("Wait.\n<tool_call>{\"arguments\": {}, \"name\": \"f\"}</tool_call>\n<tool_call>{\"name\": \"f\"}</tool_call>\n", "Wait.", "f {}", "f {}")]
    [InlineData("<tool_call>{\"name\": \"f\", \"arguments\": {}} <tool_call>{\"name\": \"f\", \"arguments\": {}}", "", "f {}", "f {}")]
    [InlineData("<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_ca", "", "f {}")]
    [InlineData("<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call> Done. ", " Done. ", "f {}")]
    [InlineData("<tool_call><tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", "<tool_call>", "f {}")]
    [InlineData("<tool_call>f</tool_call>", "<tool_call>f</tool_call>")]
    [InlineData("{\"name\": \"f\", \"arguments\": {}}", "{\"name\": \"f\", \"arguments\": {}}")]
    [InlineData("a<b <tool", "a<b <tool")]
    public void Append_TaggedForm_GivesContentAndCalls(string text, string content, params string[] calls) =>
        Check(ToolFormKind.Tagged, Names, text, content, calls);

    [Theory]
    [InlineData("<function=f>{\"a\": \"</function>\"}</function>", "", "f {\"a\": \"</function>\"}")]
    [InlineData("So: <function=f> {}</function><function=get_weather>{\"a\":{}}</function>", "So:", "f {}", "get_weather {\"a\":{}}")]
    [InlineData("<function=g>{}</function>", "<function=g>{}</function>")]
    [InlineData("<function=f>x", "<function=f>x")]
    [InlineData("<function=>{}", "<function=>{}")]
    public void Append_FunctionForm_GivesContentAndCalls(string text, string content, params string[] calls) =>
        Check(ToolFormKind.Function, Names, text, content, calls);

    [Fact]
    public void Append_OneCallOnly_EndsWithIt()
    {
        var splitter = new ToolCallSplitter(FormatOf(ToolFormKind.Tagged, Names) with { IsSingle = true });
        var (content, calls) = splitter.Append("Hm <tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call><tool_call>{\"name\": \"f\"");
        Assert.Equal(("Hm", new ToolCallPart(0, "f", "{}")), (content, Assert.Single(calls)));
        Assert.True(splitter.IsComplete);
        Assert.Equal("", splitter.Flush().Content);
    }

    [Fact]
    public void Append_Arguments_ComeAsTheModelWritesThem()
    {
        var splitter = new ToolCallSplitter(FormatOf(ToolFormKind.Json, Names));
        Assert.Empty(splitter.Append("{\"name\": \"f\", \"param").Calls);
        Assert.Equal([new ToolCallPart(0, "f", "{\"a")], splitter.Append("eters\": {\"a").Calls);
        Assert.Equal([new ToolCallPart(0, null, "\": \"b")], splitter.Append("\": \"b").Calls);
        Assert.Equal([new ToolCallPart(0, null, "\"}")], splitter.Append("\"}").Calls);
        Assert.Empty(splitter.Append("}").Calls);
    }

    /// <summary>A text that might be a call for ever takes no more time than its length.</summary>
    [Theory]
    [InlineData("<tool_call>")]
    [InlineData("<tool_call>{\"arguments\": {")]
    [InlineData("<tool_call>{\"x\": \"")]
    public void Append_LongTextThatIsNoCall_IsContent(string part)
    {
        var text = string.Concat(Enumerable.Repeat(part, 100_000));
        var splitter = new ToolCallSplitter(FormatOf(ToolFormKind.Tagged, Names));
        Assert.Equal(text, splitter.Append(text).Content + splitter.Flush().Content);
    }

    private static ToolCallFormat FormatOf(ToolFormKind kind, IReadOnlySet<string> names) =>
        new(new ToolForm(kind, IsOwn: true, TakesSeveral: true, []), names, IsSingle: false);

    private static void Check(ToolFormKind kind, HashSet<string> names, string text, string content, params string[] calls)
    {
        // All at once, character by character, and cut at every place.
        for (var cut = 0; cut <= text.Length + 1; cut++)
        {
            IEnumerable<string> pieces = cut > text.Length ? text.Select(character => $"{character}") : [text[..cut], text[cut..]];
            var splitter = new ToolCallSplitter(FormatOf(kind, names));
            var said = "";
            var called = new List<ToolCallPart>();
            foreach (var (more, parts) in pieces.Select(splitter.Append).Append(default).Select(found => found.Calls is null ? splitter.Flush() : found))
            {
                said += more;
                called.AddRange(parts);
            }

            var whole = ToolCallPart.Join(called);
            Assert.Equal(content, said);
            Assert.Equal(calls, whole.Select(call => $"{call.Name} {call.Arguments}"));
            Assert.Equal(Enumerable.Range(0, calls.Length), whole.Select(call => call.Index));
            Assert.Equal(calls.Length > 0, splitter.HasCalls);
        }
    }
}
