using System.Text.Json;
using Json.Schema;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Model.Chat.Tools;
using Llama.Model.Grammars;

namespace Llama.Gateway.Tests.Api.Tools;

/// <summary>A model that knows nothing calls the functions that it must call; another implementation judges the arguments.</summary>
public sealed class EnforcedCallTests
{
    private const int Attempts = 60;
    private const int Budget = 600;

    private static readonly (string Name, string Schema)[] Functions =
    [
        ("plain", """{"type":"object","properties":{"city":{"type":"string","maxLength":4},"days":{"type":"integer","minimum":1,"maximum":14},"unit":{"enum":["C","F"]}},"required":["city","unit"]}"""),
        ("nested", """{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","properties":{"b":{"type":"boolean"}},"required":["b"],"additionalProperties":false},"minItems":1,"maxItems":2}},"required":["a"]}"""),
        ("tree", """{"properties":{"n":{"$ref":"#/$defs/n"}},"required":["n"],"$defs":{"n":{"anyOf":[{"type":"null"},{"type":"object","properties":{"l":{"$ref":"#/$defs/n"}},"required":["l"],"additionalProperties":false}]}}}"""),
        ("none", """{"type":"object","properties":{}}"""),
        ("pattern", """{"type":"object","properties":{"p":{"type":"string","pattern":"^[a-c]{1,3}$"}},"required":["p"],"additionalProperties":false}"""),
    ];

    public static TheoryData<ToolFormKind> Forms => [.. Enum.GetValues<ToolFormKind>()];

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Post_RandomWeights_CallWithArgumentsThatAreValid(ToolFormKind kind)
    {
        var form = new ToolForm(kind, true, true, []);
        var before = form.Before("|").Split('|').Select(part => part.Replace("{", "{{ '{' }}", StringComparison.Ordinal)).ToArray();
        await using var gateway = await TestGateway.StartAsync(
            new TestTokenizer(),
            jinja: "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}"
                + $"{before[0]}{{{{ c.function.name }}}}{before[1]}{{{{ c.function.arguments|tojson }}}}{form.After.Replace("}", "{{ '}' }}", StringComparison.Ordinal)}{{% endfor %}}{{% endfor %}}");
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        var random = new Random(11);
        gateway.Grain.Script = request => Sample(request.Grammar!, random);
        var tools = string.Join(',', Functions.Select(function => $$$"""{"type":"function","function":{"name":"{{{function.Name}}}","parameters":{{{function.Schema}}}}}"""));
        var judges = Functions.ToDictionary(function => function.Name, function => JsonSchema.FromText(function.Schema));
        int complete = 0;
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var parallel = attempt % 2 == 0 ? "true" : "false";
            var choice = attempt % 3 == 0 ? $$$"""{"type":"function","function":{"name":"{{{Functions[attempt % 5].Name}}}"}}""" : "\"required\"";
            var answer = (await gateway.PostOkAsync(
                "/v1/chat/completions",
                $$$"""{"messages":[{"role":"user","content":"Q"}],"max_tokens":{{{Budget}}},"parallel_tool_calls":{{{parallel}}},"tool_choice":{{{choice}}},"tools":[{{{tools}}}]}"""))
                .GetProperty("choices")[0];
            if (answer.GetProperty("finish_reason").GetString() == "length") continue;
            complete++;
            Assert.Equal("tool_calls", answer.GetProperty("finish_reason").GetString());
            var message = answer.GetProperty("message");
            Assert.Equal(JsonValueKind.Null, message.GetProperty("content").ValueKind);
            var calls = message.GetProperty("tool_calls").EnumerateArray().Select(call => call.GetProperty("function")).ToList();
            Assert.True(calls.Count == 1 || parallel == "true");
            foreach (var call in calls)
            {
                var name = call.GetProperty("name").GetString()!;
                if (attempt % 3 == 0) Assert.Equal(Functions[attempt % 5].Name, name);
                using var arguments = JsonDocument.Parse(call.GetProperty("arguments").GetString()!);
                Assert.True(judges[name].Evaluate(arguments.RootElement).IsValid, $"{name} {call.GetProperty("arguments")}");
            }
        }

        Assert.InRange(complete, Attempts * 9 / 10, Attempts);
    }

    /// <summary>Tokens that the grammar allows, each as likely as the others.</summary>
    private static IEnumerable<int> Sample(AnswerGrammar asked, Random random)
    {
        var vocabulary = new TestTokenizer();
        var matcher = Grammar.Compile(new GrammarSource(asked.Kind, asked.Text), new GrammarVocabulary(vocabulary), [TestTokenizer.End]).Begin(asked.StartsText);
        while (true)
        {
            var bits = new ulong[(vocabulary.VocabSize + 63) / 64];
            TokenMask.Read(matcher.Mask, bits);
            int[] allowed = [.. Enumerable.Range(0, vocabulary.VocabSize).Where(token => ((bits[token >> 6] >> (token & 63)) & 1) != 0)];
            var token = allowed[random.Next(allowed.Length)];
            Assert.True(matcher.TryTake(token));
            yield return token;
            if (token == TestTokenizer.End) yield break;
        }
    }
}
