using System.Text;
using Llama.Gateway.Api.Errors;
using Llama.Model;
using Llama.Model.Chat;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Api;

/// <summary>The model as clients see it: its name, and its text as token ids and back.</summary>
public sealed class ServedModel
{
    private readonly Task<ModelText> reading;

    /// <summary>The model as clients see it.</summary>
    /// <param name="name">What clients call it.</param>
    /// <param name="config">Its shape.</param>
    /// <param name="text">
    /// Its tokenizer and chat template, which may still be being read: what needs them waits, for a second at most after the start.
    /// </param>
    /// <param name="created">When it began to be served.</param>
    public ServedModel(string name, ModelConfig config, Task<ModelText> text, DateTimeOffset created)
    {
        Name = name;
        Config = config;
        Created = created;
        reading = text;
    }

    /// <summary>What clients call it.</summary>
    public string Name { get; }

    /// <summary>Its shape.</summary>
    public ModelConfig Config { get; }

    /// <summary>When it began to be served.</summary>
    public DateTimeOffset Created { get; }

    /// <summary>Whether it can read and write text.</summary>
    public bool HasTokenizer => Text.Tokenizer is not null;

    /// <summary>Tokens that end an answer, besides those that the configuration names.</summary>
    /// <param name="isChat">Whether the answer is a message, which ends as the chat template says, too.</param>
    public IReadOnlyList<int> StopTokens(bool isChat) =>
        [.. (Text.Tokenizer?.EndTokens ?? []).Union(isChat ? Text.Template?.StopTokens ?? [] : [])];

    /// <summary>
    /// The fewest tokens that a text can have, known without encoding it: a token stands for no more bytes than the longest one.
    /// </summary>
    /// <param name="text">The text.</param>
    public int FewestTokens(string text) => Text.LongestToken is var longest and > 0 ? Encoding.UTF8.GetByteCount(text) / longest : 0;

    /// <summary>
    /// The ids of a prompt. It is the whole of what the model reads, so names of special tokens in it are those tokens, as vLLM and llama.cpp
    /// have it; in a message they are text.
    /// </summary>
    /// <param name="text">The prompt.</param>
    /// <param name="addSpecial">Whether the tokens that the checkpoint puts before and behind a prompt are added; begin-of-text never twice.</param>
    /// <param name="param">The request's field that holds the prompt.</param>
    /// <exception cref="ApiException">The model has no tokenizer.</exception>
    internal IReadOnlyList<int> Encode(string text, bool addSpecial, string param)
    {
        var tokenizer = Tokenizer(param);
        var tokens = tokenizer.Encode(text, parseSpecial: true);
        if (!addSpecial) return tokens;
        bool begun = tokens.Count > 0 && tokens[0] == tokenizer.BeginOfText;
        return [.. begun ? [] : tokenizer.PromptStart, .. tokens, .. tokenizer.PromptEnd];
    }

    /// <summary>The ids of a conversation that the model is to answer.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How it is written.</param>
    /// <exception cref="ApiException">The model cannot chat, or not like this.</exception>
    internal IReadOnlyList<int> Encode(IReadOnlyList<ChatMessage> messages, ChatOptions options)
    {
        if (Text.Tokenizer is null) throw NoTokenizer("messages");
        if (Text.Template is not { } template) throw ApiException.Invalid("messages", $"The model '{Name}' has no chat template; use /v1/completions.");
        try
        {
            return template.Render(messages, options);
        }
        catch (ChatException exception)
        {
            throw ApiException.Invalid("messages", exception.Message);
        }
    }

    /// <summary>Turns generated tokens into text one by one; null when the model has no tokenizer.</summary>
    /// <param name="startsText">Whether the first token begins a text.</param>
    internal StreamingDecoder? NewDecoder(bool startsText) => Text.Tokenizer is { } tokenizer ? new StreamingDecoder(tokenizer, startsText) : null;

    /// <summary>The text of tokens.</summary>
    /// <param name="tokens">Their ids.</param>
    /// <param name="param">The request's field that holds them.</param>
    /// <exception cref="ApiException">The model has no tokenizer.</exception>
    internal string Decode(IReadOnlyList<int> tokens, string param) => Tokenizer(param).Decode(tokens);

    /// <summary>The bytes that a token stands for; empty for special tokens and without a tokenizer.</summary>
    /// <param name="token">Its id.</param>
    internal ReadOnlySpan<byte> TokenBytes(int token) => Text.Tokenizer is { } tokenizer ? tokenizer.TokenBytes(token) : [];

    /// <summary>
    /// A token as clients see it beside its log-probability: its text (U+FFFD for half a character), or its id where it has none.
    /// </summary>
    /// <param name="token">Its id.</param>
    internal string TokenName(int token)
    {
        var bytes = TokenBytes(token);
        return bytes.IsEmpty ? $"token_id:{token}" : Encoding.UTF8.GetString(bytes);
    }

    /// <summary>How the model reads and writes text, once that is read.</summary>
    internal ModelText Text => reading.GetAwaiter().GetResult();

    private ITokenizer Tokenizer(string param) => Text.Tokenizer ?? throw NoTokenizer(param);

    private ApiException NoTokenizer(string param) => ApiException.Invalid(
        param, $"The model '{Name}' has no tokenizer: {param} cannot be text; send /v1/completions a prompt of token ids.");
}
