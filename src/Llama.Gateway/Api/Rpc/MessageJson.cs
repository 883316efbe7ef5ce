using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Llama.Gateway.Api.Reading;

namespace Llama.Gateway.Api.Rpc;

/// <summary>
/// Writes a message as the JSON object that the HTTP API would have got: so there is one table of fields, and one check of them. Fields have
/// the same names in both; what is absent, or an empty list, is left out.
/// </summary>
internal static class MessageJson
{
    /// <summary>What has two types in JSON has two fields in a message.</summary>
    private static readonly Dictionary<string, string> Renamed = new()
    {
        ["prompt_token_ids"] = "prompt", ["input_token_ids"] = "input", ["required_tool"] = "tool_choice",
    };

    /// <summary>The message as JSON.</summary>
    /// <param name="message">The message.</param>
    /// <exception cref="Errors.ApiException">Its variables are nested too deep.</exception>
    public static JsonDocument Read(IMessage message)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes)) Write(json, message);
        return RequestBody.Parse(bytes.WrittenSpan.ToArray());
    }

    /// <summary>Whether a message has fields that its type does not know.</summary>
    /// <param name="message">The message.</param>
    public static bool HasUnknownFields(IMessage message) =>
        message.Descriptor.Parser.WithDiscardUnknownFields(true).ParseFrom(message.ToByteString()).CalculateSize() != message.CalculateSize();

    /// <summary>What a field is called in JSON.</summary>
    /// <param name="field">The field.</param>
    public static string NameOf(FieldDescriptor field) => Renamed.GetValueOrDefault(field.Name, field.Name);

    private static void Write(Utf8JsonWriter json, IMessage message)
    {
        json.WriteStartObject();
        foreach (FieldDescriptor field in message.Descriptor.Fields.InFieldNumberOrder())
        {
            object? value = field.Accessor.GetValue(message);
            bool isThere = field.IsRepeated ? ((ICollection)value).Count > 0 : !field.HasPresence || field.Accessor.HasValue(message);
            if (!isThere) continue;
            json.WritePropertyName(NameOf(field));
            if (field.IsMap) WriteMap(json, (IDictionary)value);
            else if (!field.IsRepeated) WriteValue(json, value);
            else WriteList(json, (IList)value);
        }

        json.WriteEndObject();
    }

    private static void WriteMap(Utf8JsonWriter json, IDictionary map)
    {
        json.WriteStartObject();
        foreach (DictionaryEntry entry in map)
        {
            json.WritePropertyName(string.Create(CultureInfo.InvariantCulture, $"{entry.Key}"));
            WriteValue(json, entry.Value!);
        }

        json.WriteEndObject();
    }

    private static void WriteList(Utf8JsonWriter json, IList list)
    {
        json.WriteStartArray();
        foreach (object value in list) WriteValue(json, value);
        json.WriteEndArray();
    }

    private static void WriteValue(Utf8JsonWriter json, object value)
    {
        switch (value)
        {
            case string text:
                json.WriteStringValue(text);
                break;
            case bool flag:
                json.WriteBooleanValue(flag);
                break;
            case int number:
                json.WriteNumberValue(number);
                break;
            case long number:
                json.WriteNumberValue(number);
                break;
            case float number when float.IsFinite(number):
                json.WriteNumberValue(number);
                break;
            case double number when double.IsFinite(number):
                json.WriteNumberValue(number);
                break;
            case Struct variables:
                WriteStruct(json, variables);
                break;
            case V1.TokenIds tokens:
                WriteList(json, tokens.Ids);
                break;
            case IMessage inner:
                Write(json, inner);
                break;
            default:
                // JSON has no such number; the table of fields says what was expected instead.
                json.WriteStringValue(string.Create(CultureInfo.InvariantCulture, $"{value}"));
                break;
        }
    }

    private static void WriteStruct(Utf8JsonWriter json, Struct variables)
    {
        json.WriteStartObject();
        foreach ((string name, Value value) in variables.Fields)
        {
            json.WritePropertyName(name);
            WriteVariable(json, value);
        }

        json.WriteEndObject();
    }

    private static void WriteVariable(Utf8JsonWriter json, Value value)
    {
        switch (value.KindCase)
        {
            case Value.KindOneofCase.StringValue:
                json.WriteStringValue(value.StringValue);
                break;
            case Value.KindOneofCase.BoolValue:
                json.WriteBooleanValue(value.BoolValue);
                break;
            case Value.KindOneofCase.NumberValue:
                WriteValue(json, value.NumberValue);
                break;
            case Value.KindOneofCase.StructValue:
                WriteStruct(json, value.StructValue);
                break;
            case Value.KindOneofCase.ListValue:
                json.WriteStartArray();
                foreach (Value element in value.ListValue.Values) WriteVariable(json, element);
                json.WriteEndArray();
                break;
            default:
                json.WriteNullValue();
                break;
        }
    }
}
