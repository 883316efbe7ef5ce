using System.Buffers;
using System.Text;
using System.Text.Json;
using Llama.Model.Chat;
using Llama.Model.Chat.Tools;
using Llama.Model.Tokenization;

namespace Llama.Grains.Wire;

/// <summary><see cref="ChatMessage"/> as it travels.</summary>
[GenerateSerializer, Alias("llama.chat-message")]
public record struct ChatMessageOnTheWire
{
    /// <summary>Who speaks.</summary>
    [Id(0)]
    public string Role { get; set; }

    /// <summary>What is said.</summary>
    [Id(1)]
    public string Content { get; set; }

    /// <summary>Further members, a JSON object; null for none.</summary>
    [Id(2)]
    public string? More { get; set; }
}

/// <summary>Converts <see cref="ChatMessage"/>.</summary>
[RegisterConverter]
public sealed class ChatMessageConverter : IConverter<ChatMessage, ChatMessageOnTheWire>
{
    /// <inheritdoc/>
    public ChatMessage ConvertFromSurrogate(in ChatMessageOnTheWire surrogate) =>
        new(surrogate.Role, surrogate.Content) { More = JsonMembers.Read(surrogate.More) };

    /// <inheritdoc/>
    public ChatMessageOnTheWire ConvertToSurrogate(in ChatMessage value) => new()
    {
        Role = value.Role,
        Content = value.Content,
        More = JsonMembers.Write(value.More),
    };
}

/// <summary><see cref="ChatOptions"/> as they travel.</summary>
[GenerateSerializer, Alias("llama.chat-options")]
public record struct ChatOptionsOnTheWire
{
    /// <summary>Tools that the model may call, a JSON list; null for none.</summary>
    [Id(0)]
    public string? Tools { get; set; }

    /// <summary>Further variables of the template, a JSON object; null for none.</summary>
    [Id(1)]
    public string? Variables { get; set; }

    /// <summary>Whether the assistant's next message is begun.</summary>
    [Id(2)]
    public bool AddGenerationPrompt { get; set; }

    /// <summary>Whether the last message is gone on with instead.</summary>
    [Id(3)]
    public bool ContinueFinalMessage { get; set; }
}

/// <summary>Converts <see cref="ChatOptions"/>.</summary>
[RegisterConverter]
public sealed class ChatOptionsConverter : IConverter<ChatOptions, ChatOptionsOnTheWire>
{
    /// <inheritdoc/>
    public ChatOptions ConvertFromSurrogate(in ChatOptionsOnTheWire surrogate) => new()
    {
        Tools = surrogate.Tools is null ? null : JsonElement.Parse(surrogate.Tools),
        Variables = JsonMembers.Read(surrogate.Variables),
        AddGenerationPrompt = surrogate.AddGenerationPrompt,
        ContinueFinalMessage = surrogate.ContinueFinalMessage,
    };

    /// <inheritdoc/>
    public ChatOptionsOnTheWire ConvertToSurrogate(in ChatOptions value) => new()
    {
        Tools = value.Tools?.GetRawText(),
        Variables = JsonMembers.Write(value.Variables),
        AddGenerationPrompt = value.AddGenerationPrompt,
        ContinueFinalMessage = value.ContinueFinalMessage,
    };
}

/// <summary><see cref="ReasoningMarks"/> as they travel.</summary>
[GenerateSerializer, Alias("llama.reasoning-marks")]
public record struct ReasoningMarksOnTheWire
{
    /// <summary>The mark before the reasoning.</summary>
    [Id(0)]
    public string Begin { get; set; }

    /// <summary>The mark behind it.</summary>
    [Id(1)]
    public string End { get; set; }

    /// <summary>The special token of the first; null where it is text.</summary>
    [Id(2)]
    public int? BeginToken { get; set; }

    /// <summary>The special token of the second; null where it is text.</summary>
    [Id(3)]
    public int? EndToken { get; set; }
}

/// <summary>Converts <see cref="ReasoningMarks"/>.</summary>
[RegisterConverter]
public sealed class ReasoningMarksConverter : IConverter<ReasoningMarks, ReasoningMarksOnTheWire>
{
    /// <inheritdoc/>
    public ReasoningMarks ConvertFromSurrogate(in ReasoningMarksOnTheWire surrogate) =>
        new(surrogate.Begin, surrogate.End, surrogate.BeginToken, surrogate.EndToken);

    /// <inheritdoc/>
    public ReasoningMarksOnTheWire ConvertToSurrogate(in ReasoningMarks value) => new()
    {
        Begin = value.Begin,
        End = value.End,
        BeginToken = value.BeginToken,
        EndToken = value.EndToken,
    };
}

/// <summary><see cref="ToolForm"/> as it travels.</summary>
[GenerateSerializer, Alias("llama.tool-form")]
public record struct ToolFormOnTheWire
{
    /// <summary>The number of its <see cref="ToolFormKind"/>.</summary>
    [Id(0)]
    public int Kind { get; set; }

    /// <summary>Whether the chat template writes tools itself.</summary>
    [Id(1)]
    public bool IsOwn { get; set; }

    /// <summary>Whether a message may have several calls.</summary>
    [Id(2)]
    public bool TakesSeveral { get; set; }

    /// <summary>The special tokens that stand for parts of the form.</summary>
    [Id(3)]
    public IReadOnlyList<int> MarkTokens { get; set; }

    /// <summary>By token: the part.</summary>
    [Id(4)]
    public IReadOnlyList<string> MarkTexts { get; set; }
}

/// <summary>Converts <see cref="ToolForm"/>.</summary>
[RegisterConverter]
public sealed class ToolFormConverter : IConverter<ToolForm, ToolFormOnTheWire>
{
    /// <inheritdoc/>
    public ToolForm ConvertFromSurrogate(in ToolFormOnTheWire surrogate) => new(
        (ToolFormKind)surrogate.Kind, surrogate.IsOwn, surrogate.TakesSeveral,
        [.. surrogate.MarkTokens.Zip(surrogate.MarkTexts, (token, text) => new TokenMark(token, text))]);

    /// <inheritdoc/>
    public ToolFormOnTheWire ConvertToSurrogate(in ToolForm value) => new()
    {
        Kind = (int)value.Kind,
        IsOwn = value.IsOwn,
        TakesSeveral = value.TakesSeveral,
        MarkTokens = [.. value.Marks.Select(mark => mark.Token)],
        MarkTexts = [.. value.Marks.Select(mark => mark.Text)],
    };
}

/// <summary>Named JSON values as one text: numbers keep their digits.</summary>
internal static class JsonMembers
{
    private static readonly Dictionary<string, JsonElement> None = [];

    /// <summary>The JSON object of the values; null for none.</summary>
    public static string? Write(IReadOnlyDictionary<string, JsonElement> members)
    {
        if (members.Count == 0) return null;
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            foreach ((string name, JsonElement value) in members)
            {
                json.WritePropertyName(name);
                value.WriteTo(json);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <summary>The values of a JSON object; none for null.</summary>
    public static IReadOnlyDictionary<string, JsonElement> Read(string? members) =>
        members is null ? None : JsonElement.Parse(members).EnumerateObject().ToDictionary(member => member.Name, member => member.Value);
}
