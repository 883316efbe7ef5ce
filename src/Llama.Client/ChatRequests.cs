using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Llama.V1;
using Microsoft.Extensions.AI;

namespace Llama.Client;

/// <summary>Writes conversations and their options as requests. What a gateway cannot honour is refused, not left out.</summary>
internal static class ChatRequests
{
    /// <summary>The option in <see cref="ChatOptions.AdditionalProperties"/> that is no field of a request.</summary>
    private const string KeyOption = "idempotency_key";

    /// <summary>The request.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How to go on with it.</param>
    /// <param name="model">The model, if the options name none.</param>
    /// <exception cref="ArgumentException">An additional property is no field of <see cref="ChatRequest"/>, or not of its type.</exception>
    /// <exception cref="NotSupportedException">The options or a message ask for what no gateway does.</exception>
    public static ChatRequest Create(IEnumerable<ChatMessage> messages, ChatOptions? options, string? model)
    {
        ChatRequest request = Additional(options?.AdditionalProperties);
        if (request.HasN && request.N != 1) throw new ArgumentException($"n is {request.N}; a chat client has one answer, so expected 1.", nameof(options));
        if ((options?.ModelId ?? model) is { } name) request.Model = name;
        if (options?.Instructions is { } instructions) request.Messages.Add(new Message { Role = ChatRole.System.Value, Content = instructions });
        foreach (ChatMessage message in messages) request.Messages.Add(Write(message));
        if (options is not null) Set(request, options);
        return request;
    }

    /// <summary>The idempotency key that the options give a request, or null.</summary>
    /// <param name="options">The options.</param>
    public static string? KeyOf(ChatOptions? options) => options?.AdditionalProperties?.GetValueOrDefault(KeyOption)?.ToString();

    private static ChatRequest Additional(AdditionalPropertiesDictionary? properties)
    {
        if (properties is null) return new ChatRequest();
        var fields = properties.Where(property => property.Key != KeyOption).ToDictionary();
        try
        {
            return ChatRequest.Parser.ParseJson(
                JsonSerializer.Serialize(fields, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(Dictionary<string, object?>))));
        }
        catch (Exception exception) when (exception is InvalidProtocolBufferException or JsonException or NotSupportedException)
        {
            throw new ArgumentException(
                $"{nameof(ChatOptions.AdditionalProperties)}: {exception.Message}; expected fields of llama.v1.ChatRequest.", nameof(properties), exception);
        }
    }

    private static void Set(ChatRequest request, ChatOptions options)
    {
        if (options.MaxOutputTokens is { } most) request.MaxTokens = most;
        if (options.Temperature is { } temperature) request.Temperature = temperature;
        if (options.TopP is { } topP) request.TopP = topP;
        if (options.TopK is { } topK) request.TopK = topK;
        if (options.FrequencyPenalty is { } frequency) request.FrequencyPenalty = frequency;
        if (options.PresencePenalty is { } presence) request.PresencePenalty = presence;
        if (options.Seed is { } seed) request.Seed = seed;
        if (options.StopSequences is { } stop) request.Stop.AddRange(stop);
        if (options.ResponseFormat is ChatResponseFormatJson json) SetFormat(request, json);
        if (options.ConversationId is not null) throw Unsupported(nameof(options.ConversationId), "the whole conversation in each request");
        if (options.ContinuationToken is not null)
            throw Unsupported(nameof(options.ContinuationToken), $"an {KeyOption} among the additional properties");
        if (options.Reasoning?.Effort is { } effort and not ReasoningEffort.None) throw Unsupported($"Reasoning.Effort ({effort})", "none");
    }

    /// <summary>The schema goes as a text, which keeps the order of its properties.</summary>
    private static void SetFormat(ChatRequest request, ChatResponseFormatJson format)
    {
        request.StructuredOutputs ??= new Struct();
        if (format.Schema is { } schema) request.StructuredOutputs.Fields["json"] = Value.ForString(schema.GetRawText());
        else request.StructuredOutputs.Fields["json_object"] = Value.ForBool(true);
    }

    private static Message Write(ChatMessage message)
    {
        var written = new Message { Role = message.Role.Value };
        foreach (AIContent content in message.Contents)
        {
            switch (content)
            {
                case TextContent text:
                    written.Content += text.Text;
                    break;
                case TextReasoningContent reasoning:
                    written.ReasoningContent += reasoning.Text;
                    break;
                case UsageContent:
                    break;
                default:
                    throw Unsupported($"{content.GetType().Name} in a message of the role {message.Role}", "text");
            }
        }

        return written;
    }

    private static NotSupportedException Unsupported(string found, string expected) => new($"{found} is not supported; expected {expected}.");
}
