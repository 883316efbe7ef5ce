using System.Text.Json;
using Llama.Model.Grammars.Schemas;
using Llama.Model.Grammars.Text;

namespace Llama.Model.Tests.Grammars;

/// <summary>Values as grammars write them, in every order of an object's properties.</summary>
internal static class CanonicalJson
{
    public static IEnumerable<string> Write(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => [ExactNumber.TryRead(value, out ExactNumber number) ? number.ToString() : value.GetRawText()],
        JsonValueKind.String => [JsonText.Write(value.GetString()!)],
        JsonValueKind.Array => Join([.. value.EnumerateArray().Select(item => Write(item).ToList())]).Select(items => $"[{items}]"),
        JsonValueKind.Object => Orders([.. value.EnumerateObject()])
            .SelectMany(order => Join([.. order.Select(property => Write(property.Value).Select(inner => $"{JsonText.Write(property.Name)}:{inner}").ToList())]))
            .Select(members => $"{{{members}}}"),
        _ => [value.GetRawText()],
    };

    private static IEnumerable<string> Join(List<List<string>> parts) => parts.Aggregate(
        (IEnumerable<string>)[""], (texts, next) => texts.SelectMany(text => next.Select(part => text.Length == 0 ? part : $"{text},{part}")));

    private static IEnumerable<List<JsonProperty>> Orders(List<JsonProperty> properties)
    {
        if (properties.Count <= 1 || properties.Count > 5) return [properties];
        return properties.SelectMany((first, i) => Orders([.. properties.Where((_, j) => j != i)]).Select(rest => (List<JsonProperty>)[first, .. rest]));
    }
}
