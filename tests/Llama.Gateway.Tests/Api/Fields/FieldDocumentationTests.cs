using System.Text;
using Llama.Gateway.Api.Fields;
using Llama.Tests;

namespace Llama.Gateway.Tests.Api.Fields;

/// <summary>docs/api.md says what the table of fields says.</summary>
public sealed class FieldDocumentationTests
{
    private const string Begin = "<!-- The table of fields, as the tests write it: begin -->\n";
    private const string End = "<!-- The table of fields: end -->\n";

    [Fact]
    public void Documentation_TableOfFields_IsTheCodes()
    {
        var document = File.ReadAllText(Path.Combine(TestPaths.Root, "docs", "api.md"));
        var begin = document.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        var end = document.IndexOf(End, StringComparison.Ordinal);
        Assert.True(begin >= Begin.Length && end >= begin, "docs/api.md has no place for the table.");
        var expected = $"{document[..begin]}{Tables()}{document[end..]}";
        if (expected == document) return;

        var right = Path.Combine(AppContext.BaseDirectory, "api.md");
        File.WriteAllText(right, expected);
        Assert.Fail($"docs/api.md and the table of fields differ. What is right was written to {right}: copy it.");
    }

    private static string Tables()
    {
        var text = new StringBuilder();
        text.Append("\n### Honoured\n\n| field | in | value | what it does |\n| --- | --- | --- | --- |\n");
        foreach (var one in RequestFields.All)
        {
            if (one is IHonouredField honoured) text.Append(Row(one, honoured.Expected, honoured.Does));
        }

        text.Append("\n### Taken without effect\n\n| field | in | value | why it is harmless |\n| --- | --- | --- | --- |\n");
        foreach (var one in RequestFields.All.OfType<HarmlessField>()) text.Append(Row(one, one.Expected, one.Why));
        text.Append("\n### Not supported\n\n| field | in | asks for nothing | use instead |\n| --- | --- | --- | --- |\n");
        foreach (var one in RequestFields.All.OfType<RefusedField>())
            text.Append(Row(one, string.Join(", ", one.Neutral.Select(value => $"`{value}`")), one.Instead ?? ""));
        return text.Append('\n').ToString();
    }

    private static string Row(RequestField one, string value, string text) =>
        $"| `{one.Name}` | {string.Join(", ", FieldRequest.Scopes.Where(scope => one.Scopes.HasFlag(scope)).Select(NameOf))} | {value} | {text} |\n";

    private static string NameOf(FieldScope scope) => scope switch
    {
        FieldScope.Completion => "completions",
        FieldScope.Chat => "chat",
        FieldScope.Tokenize => "tokenize",
        FieldScope.Detokenize => "detokenize",
        FieldScope.Embedding => "embeddings",
        _ => $"`{FieldScopes.NameOf(scope)}`",
    };
}
