using System.Text.Json;
using Llama.V1;
using Microsoft.Extensions.AI;

namespace Llama.Client;

/// <summary>Writes messages of a conversation.</summary>
internal static class ConversationMessages
{
    /// <summary>A message; each result of a tool in it becomes one of its own.</summary>
    /// <param name="message">The message.</param>
    /// <exception cref="NotSupportedException">It has more than text, what was thought, and calls of functions with their results.</exception>
    public static IEnumerable<Message> Write(ChatMessage message)
    {
        var written = new Message { Role = message.Role.Value };
        bool isResult = false;
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
                case FunctionCallContent call:
                    written.ToolCalls.Add(new ToolCall
                    {
                        Id = call.CallId,
                        Function = new CalledFunction { Name = call.Name, Arguments = call.Arguments is { } arguments ? Json(arguments) : "{}" },
                    });
                    break;
                case FunctionResultContent result:
                    isResult = true;
                    yield return new Message { Role = ChatRole.Tool.Value, ToolCallId = result.CallId, Content = TextOf(result) };
                    break;
                case UsageContent:
                    break;
                default:
                    throw ChatRequests.Unsupported($"{content.GetType().Name} in a message of the role {message.Role}", "text");
            }
        }

        if (!isResult || written.Content.Length > 0) yield return written;
    }

    private static string TextOf(FunctionResultContent result) => result.Result switch
    {
        null => result.Exception is { } fault ? $"Error: {fault.Message}" : "",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString()!,
        var value => Json(value),
    };

    private static string Json(object value) => JsonSerializer.Serialize(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(object)));
}
