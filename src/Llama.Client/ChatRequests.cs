using Google.Protobuf.WellKnownTypes;
using Llama.V1;
using Microsoft.Extensions.AI;

namespace Llama.Client;

/// <summary>Writes conversations and their options as requests. What a gateway cannot honour is refused, not left out.</summary>
internal static class ChatRequests
{
    /// <summary>The request.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How to go on with it.</param>
    /// <param name="model">The model, if the options name none.</param>
    /// <exception cref="ArgumentException">An additional property is no field of <see cref="ChatRequest"/>.</exception>
    /// <exception cref="NotSupportedException">The options or a message ask for what no gateway does.</exception>
    public static ChatRequest Create(IEnumerable<ChatMessage> messages, ChatOptions? options, string? model)
    {
        ChatRequest request = AdditionalFields.Read(ChatRequest.Parser, options?.AdditionalProperties);
        if (request.HasN && request.N != 1) throw new ArgumentException($"n is {request.N}; a chat client has one answer, so expected 1.", nameof(options));
        if ((options?.ModelId ?? model) is { } name) request.Model = name;
        if (options?.Instructions is { } instructions) request.Messages.Add(new Message { Role = ChatRole.System.Value, Content = instructions });
        foreach (ChatMessage message in messages) request.Messages.Add(ConversationMessages.Write(message));
        if (options is not null) Set(request, options);
        return request;
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
        SetTools(request, options);
        if (options.ConversationId is not null) throw Unsupported(nameof(options.ConversationId), "the whole conversation in each request");
        if (options.ContinuationToken is not null)
            throw Unsupported(nameof(options.ContinuationToken), $"an {AdditionalFields.Key} among the additional properties");
        if (options.Reasoning?.Effort is { } effort and not ReasoningEffort.None) throw Unsupported($"Reasoning.Effort ({effort})", "none");
    }

    /// <summary>The schema goes as a text, which keeps the order of its properties.</summary>
    private static void SetFormat(ChatRequest request, ChatResponseFormatJson format)
    {
        request.StructuredOutputs ??= new Struct();
        if (format.Schema is { } schema) request.StructuredOutputs.Fields["json"] = Value.ForString(schema.GetRawText());
        else request.StructuredOutputs.Fields["json_object"] = Value.ForBool(true);
    }

    private static void SetTools(ChatRequest request, ChatOptions options)
    {
        foreach (AITool tool in options.Tools ?? [])
        {
            if (tool is not AIFunctionDeclaration function) throw Unsupported($"The tool {tool.Name} ({tool.GetType().Name})", "a function");
            var written = new Function { Name = function.Name, Description = function.Description, Parameters = function.JsonSchema.GetRawText() };
            if (function.AdditionalProperties.TryGetValue("strict", out object? value) && value is bool strict) written.Strict = strict;
            request.Tools.Add(new Tool { Function = written });
        }

        switch (options.ToolMode)
        {
            case RequiredChatToolMode { RequiredFunctionName: { } name }:
                request.RequiredTool = new ToolChoice { Function = new ChosenFunction { Name = name } };
                break;
            case RequiredChatToolMode:
                request.ToolChoice = "required";
                break;
            case NoneChatToolMode:
                request.ToolChoice = "none";
                break;
        }

        if (options.AllowMultipleToolCalls is { } several) request.ParallelToolCalls = several;
    }

    /// <summary>What no gateway does.</summary>
    /// <param name="found">It.</param>
    /// <param name="expected">What is supported.</param>
    internal static NotSupportedException Unsupported(string found, string expected) => new($"{found} is not supported; expected {expected}.");
}
