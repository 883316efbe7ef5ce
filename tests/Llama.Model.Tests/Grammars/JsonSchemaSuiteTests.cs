using System.Text.Json;
using Llama.Model.Grammars;
using Llama.Tests;

namespace Llama.Model.Tests.Grammars;

/// <summary>The test suite of the JSON Schema organisation, draft 2020-12, where it lies beside the checkout.</summary>
public sealed class JsonSchemaSuiteTests
{
    private static readonly string Suite = Path.Combine(TestPaths.Beside, "json-schema-suite", "tests", "draft2020-12");

    [Fact]
    public void Suite_EveryInstance_IsJudgedRightlyOrItsSchemaIsRefusedByAKeywordsName()
    {
        Assert.SkipUnless(Directory.Exists(Suite), "The suite is not there.");
        int served = 0;
        int groups = 0;
        var wrong = new List<string>();
        foreach (string file in Directory.EnumerateFiles(Suite, "*.json").Order(StringComparer.Ordinal))
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllText(file));
            foreach (JsonElement group in document.RootElement.EnumerateArray())
            {
                groups++;
                string name = $"{Path.GetFileName(file)}: {group.GetProperty("description").GetString()}";
                JsonElement schema = group.GetProperty("schema");
                List<JsonElement> tests = [.. group.GetProperty("tests").EnumerateArray()];
                Grammar? grammar = null;
                try
                {
                    grammar = TestVocabulary.Compile(GrammarKind.JsonSchema, schema.GetRawText());
                }
                catch (GrammarException exception) when (exception.Message == "No text fits the grammar.")
                {
                    // A schema that nothing fits; what it rejects, it rejects rightly.
                }
                catch (GrammarException exception)
                {
                    string keyword = exception.Message.Split(' ')[0];
                    if (!schema.GetRawText().Contains($"\"{keyword}\"", StringComparison.Ordinal)) wrong.Add($"{name}: {exception.Message}");
                    continue;
                }

                served++;
                wrong.AddRange(tests
                    .Where(test => test.GetProperty("valid").GetBoolean() != (grammar is not null && Accepts(grammar, test.GetProperty("data"))))
                    .Select(test => $"{name}: {test.GetProperty("description").GetString()}: {test.GetProperty("data").GetRawText()}"));
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{served} of {groups} groups are served.");
        if (wrong.Count > 0) Assert.Fail(string.Join(Environment.NewLine, wrong));
        Assert.InRange(served, 180, groups);
    }

    private static bool Accepts(Grammar grammar, JsonElement value) => CanonicalJson.Write(value).Any(text => TestVocabulary.Accepts(grammar, text));
}
