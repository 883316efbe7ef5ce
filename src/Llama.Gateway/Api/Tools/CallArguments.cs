using System.Text.Json;

namespace Llama.Gateway.Api.Tools;

/// <summary>Writes the arguments of calls for clients that want an object.</summary>
internal static class CallArguments
{
    /// <summary>Writes them: of a call that was cut off, and of one that the model wrote badly, an empty object.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="text">Their text.</param>
    public static void WriteObject(Utf8JsonWriter json, string text) => json.WriteRawValue(IsObject(text) ? text : "{}");

    private static bool IsObject(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
