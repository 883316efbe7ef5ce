using System.Text.Json;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.Fields;

/// <summary>The table's fields that are not supported, and those that do nothing: none asks for something and gets 200.</summary>
public sealed class RefusedFieldsTests(SharedGateway shared) : IClassFixture<SharedGateway>
{
    private static readonly string[] Values =
        ["0", "1", "-1", "7", "0.5", "true", "false", "\"\"", "\"x\"", "\"none\"", "\"auto\"", "\"text\"", "[]", "[1]", "[\"x\"]", "{}", "{\"a\":1}"];

    public static TheoryData<int, string> Fields => FieldRequest.Rows(one => one is not IHonouredField);

    [Theory]
    [MemberData(nameof(Fields))]
    public async Task Post_Field_ChangesNothingOrAnswers400NamingIt(int scopeNumber, string name)
    {
        var scope = (FieldScope)scopeNumber;
        var path = FieldRequest.PathOf(scope);
        var without = await AnswerAsync(path, FieldRequest.With(scope, name, null));
        var field = RequestFields.Find(scope, name)!;
        var neutral = field is RefusedField refused ? refused.Neutral : [];
        foreach (var value in Values.Concat(neutral).Append("null"))
        {
            var request = FieldRequest.With(scope, name, value);
            if (value == "null" || neutral.Any(one => JsonElement.DeepEquals(JsonElement.Parse(one), JsonElement.Parse(value))))
            {
                Assert.Equal(without, await AnswerAsync(path, request));
            }
            else if (field is HarmlessField harmless && harmless.Kinds.Contains(JsonElement.Parse(value).ValueKind))
            {
                Assert.Equal(without, await AnswerAsync(path, request));
            }
            else
            {
                var error = await shared.Gateway.PostErrorAsync(path, request);
                var param = FieldRequest.ParamOf(scope, name);
                if (field is RefusedField) error.Is(400, param, $"{param} is not supported: it must be absent", "unsupported_parameter");
                else error.Is(400, param, $"{param} must be ");
            }
        }
    }

    [Fact]
    public void Instead_OneField_IsHonouredInEveryPlace()
    {
        var replacements =
            from field in RequestFields.All.OfType<RefusedField>()
            where field.Instead?.Contains(' ') == false
            from scope in FieldRequest.Scopes
            where field.Scopes.HasFlag(scope)
            select (field.Name, Replacement: RequestFields.Find(scope, field.Instead!));
        Assert.NotEmpty(replacements);
        Assert.All(replacements, found => Assert.True(found.Replacement is IHonouredField, found.Name));
    }

    [Theory]
    [InlineData("""{"prompt":"a","n_predict":3}""", "n_predict", "it must be absent; found the number 3. Use max_tokens.")]
    [InlineData("""{"prompt":"a","repeat_penalty":1.5}""", "repeat_penalty", "it must be absent or 1; found the number 1.5. Use repetition_penalty.")]
    [InlineData("""{"prompt":"a","tool_choice":"required"}""", "tool_choice", """absent or "none" or "auto"; found the string "required".""")]
    [InlineData("""{"prompt":"a","functions":[1]}""", "functions", "it must be absent or []; found a list.")]
    [InlineData("""{"prompt":"a","guided_json":{"type":"object"}}""", "guided_json", "it must be absent; found an object.")]
    public async Task Post_NotSupported_SaysWhatAsksForNothingAndWhatToUse(string json, string param, string message) =>
        (await shared.Gateway.PostErrorAsync("/v1/completions", json)).Is(400, param, message, "unsupported_parameter");

    private async Task<string> AnswerAsync(string path, string request)
    {
        using var response = await shared.Gateway.PostAsync(path, request);
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True((int)response.StatusCode == 200, $"{request}: {body}");
        return FieldRequest.Lasting(body);
    }
}
