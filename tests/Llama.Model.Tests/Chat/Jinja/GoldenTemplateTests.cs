using System.Text.Json;
using Llama.Model.Chat.Jinja;
using Llama.Tests;

namespace Llama.Model.Tests.Chat.Jinja;

/// <summary>Real templates against what jinja2 3.1 renders of them; the files lie beside the repository on some machines.</summary>
public class GoldenTemplateTests
{
    private static readonly string Folder = Path.Combine(TestPaths.Beside, "templates");

    [Fact]
    public void Render_RealTemplates_GivesTheReferencesTextsAndErrors()
    {
        Assert.SkipUnless(Directory.Exists(Folder), $"needs {Folder}");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "golden.json")));
        JsonElement conversations = document.RootElement.GetProperty("conversations");
        int texts = 0, errors = 0;
        foreach (JsonProperty template in document.RootElement.GetProperty("golden").EnumerateObject())
        {
            var parsed = JinjaTemplate.Parse(File.ReadAllText(Path.Combine(Folder, template.Name)));
            foreach (JsonProperty golden in template.Value.EnumerateObject())
            {
                string[] name = golden.Name.Split(", ");
                JsonElement conversation = conversations.GetProperty(name[0]);
                string where = $"{template.Name}, {golden.Name}";
                string? found = Render(parsed, conversation, name.Length == 1, out string? error);
                if (golden.Value.TryGetProperty("text", out JsonElement expected))
                {
                    Assert.True(expected.GetString() == found, $"{where}: {error}\nexpected {JsonSerializer.Serialize(expected.GetString())}\nfound    {JsonSerializer.Serialize(found)}");
                    texts++;
                }
                else
                {
                    Assert.True(error is not null, $"{where}: expected the error {golden.Value}, found {found}");
                    errors++;
                }
            }
        }

        Assert.True(texts > 100 && errors > 20, $"{texts} texts, {errors} errors");
    }

    private static string? Render(JinjaTemplate template, JsonElement conversation, bool begin, out string? error)
    {
        var variables = new Dictionary<string, object?>
        {
            ["messages"] = JinjaValues.OfRequest(conversation.GetProperty("messages")),
            ["tools"] = conversation.TryGetProperty("tools", out JsonElement tools) ? JinjaValues.OfRequest(tools) : null,
            ["documents"] = null,
            ["add_generation_prompt"] = begin,
            ["bos_token"] = JinjaText.OfTemplate("<s>"),
            ["eos_token"] = JinjaText.OfTemplate("</s>"),
        };
        try
        {
            error = null;
            return template.Render(variables, new DateTimeOffset(2024, 7, 26, 12, 0, 0, TimeSpan.Zero)).Value;
        }
        catch (JinjaException exception)
        {
            error = exception.Message;
            return null;
        }
    }
}
