using System.Text.Json;
using Google.Protobuf;
using Microsoft.Extensions.AI;

namespace Llama.Client;

/// <summary>Fields of requests that Microsoft.Extensions.AI has no option for: they stand among the additional properties.</summary>
internal static class AdditionalFields
{
    /// <summary>The additional property that is no field, but the idempotency key.</summary>
    public const string Key = "idempotency_key";

    /// <summary>A request with the fields of additional properties.</summary>
    /// <typeparam name="T">The request.</typeparam>
    /// <param name="parser">Reads it.</param>
    /// <param name="properties">The properties, by the fields' names.</param>
    /// <exception cref="ArgumentException">One is no field, or not of its type.</exception>
    public static T Read<T>(MessageParser<T> parser, AdditionalPropertiesDictionary? properties)
        where T : IMessage<T>, new()
    {
        if (properties is null) return new T();
        Dictionary<string, object?> fields = properties.Where(property => property.Key != Key).ToDictionary();
        try
        {
            return parser.ParseJson(JsonSerializer.Serialize(fields, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(Dictionary<string, object?>))));
        }
        catch (Exception exception) when (exception is InvalidProtocolBufferException or JsonException or NotSupportedException)
        {
            throw new ArgumentException(
                $"AdditionalProperties: {exception.Message}; expected fields of {new T().Descriptor.FullName}.", nameof(properties), exception);
        }
    }
}
