using System.Text.Json;
using Llama.Gateway.Api.Document;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Tests.Api.Fields;

namespace Llama.Gateway.Tests.Api.Document;

/// <summary>The words of the table say what its readers do.</summary>
public sealed class FieldShapeTests
{
    private static readonly string[] Values =
    [
        "0", "1", "-1", "7", "17", "0.5", "2.5", "-3", "101", "1e9", "3000000000", "true", "false", "\"\"", "\"x\"", "\"none\"", "\"auto\"", "\"text\"", "\"json\"", "[]", "[1]", "[\"x\"]", "{}", "{\"a\":1}",
    ];

    public static TheoryData<long, string> Fields => FieldRequest.Rows(one => one is IHonouredField or HarmlessField);

    [Theory]
    [MemberData(nameof(Fields))]
    public void Of_WordsOfAField_TakeWhatItsReaderTakes(long scopeNumber, string name)
    {
        var field = RequestFields.Find((FieldScope)scopeNumber, name)!;
        var expected = field is IHonouredField honoured ? honoured.Expected : ((HarmlessField)field).Expected;
        var shape = FieldShape.Of(expected);
        Assert.NotEmpty(shape.Types);

        // A list or a value of several types is looked into later.
        if (Values.All(value => Takes(field, JsonElement.Parse(value)))) return;
        foreach (var value in Values.Append($"\"{new string('x', 400)}\""))
        {
            bool takes = Takes(field, JsonElement.Parse(value));
            if (takes) Assert.True(Allows(shape, JsonElement.Parse(value)) || (name == "logprobs" && value == "false"), $"{name} takes {value}, but not its words: {expected}");
            else if (expected.Contains("integer", StringComparison.Ordinal) || expected.Contains("number", StringComparison.Ordinal))
                Assert.False(Allows(shape, JsonElement.Parse(value)), $"{name} does not take {value}, but its words do: {expected}");
        }
    }

    [Theory]
    [InlineData("an integer from -2147483647 to 2147483647", "integer", "-2147483647", "2147483647")]
    [InlineData("a number from 0.001 to 86400", "number", "0.001", "86400")]
    [InlineData("a number above 0 and at most 1", "number", "0", "1")]
    [InlineData("a list of at most 256 token ids", "array", null, null)]
    [InlineData("a JSON schema, or one as a string", "object,boolean,string", null, null)]
    [InlineData("\"text\", \"json_object\" or \"json_schema\"", "string", null, null)]
    public void Of_Words_AreTypesAndBounds(string words, string types, string? least, string? most)
    {
        var shape = FieldShape.Of(words);
        Assert.Equal((types, least, most), (string.Join(',', shape.Types), shape.Least, shape.Most));
        Assert.Equal(words.Contains("json_object", StringComparison.Ordinal) ? 3 : 0, shape.Values.Count);
        Assert.Equal(words.Contains("above", StringComparison.Ordinal), shape.IsLeastExcluded);
        Assert.Equal(words.Contains("token ids", StringComparison.Ordinal) ? "integer" : null, shape.ItemType);
    }

    private static bool Takes(RequestField field, JsonElement value)
    {
        try
        {
            field.Check(value, field.Name);
            return true;
        }
        catch (ApiException)
        {
            return false;
        }
    }

    private static bool Allows(FieldShape shape, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => shape.Types.Contains("object"),
        JsonValueKind.Array => shape.Types.Contains("array"),
        JsonValueKind.String => shape.Types.Contains("string") && value.GetString()!.Length <= (shape.MostCharacters ?? int.MaxValue)
            && (shape.Values.Count == 0 || shape.Values.Contains(value.GetString()!)),
        JsonValueKind.Number => (shape.Types.Contains("number") || (shape.Types.Contains("integer") && value.GetDouble() % 1 == 0)) && IsWithin(shape, value.GetDouble()),
        _ => shape.Types.Contains("boolean"),
    };

    private static bool IsWithin(FieldShape shape, double value) =>
        (shape.Least is null || (shape.IsLeastExcluded ? value > Parse(shape.Least) : value >= Parse(shape.Least))) && (shape.Most is null || value <= Parse(shape.Most));

    private static double Parse(string number) => double.Parse(number, System.Globalization.CultureInfo.InvariantCulture);
}
