using System.Text;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Generation;
using Llama.Grains.Text;
using Llama.Model.Chat;
using Llama.Model.Chat.Tools;
using Llama.Model.Sampling;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Api;

/// <summary>The model as clients see it: its name, and its text as token ids and back.</summary>
/// <param name="source">Knows it; what is asked of it while it is not known throws, and becomes an answer 503.</param>
/// <param name="created">When it began to be served.</param>
public sealed class ServedModel(IModelSource source, DateTimeOffset created)
{
    /// <summary>What clients call it.</summary>
    public string Name => source.Shape.Name;

    /// <summary>Its longest sequence, tokens.</summary>
    public int ContextLength => source.Shape.ContextLength;

    /// <summary>Its token ids are below this.</summary>
    public int VocabSize => source.Shape.VocabSize;

    /// <summary>How tokens are sampled where a request does not say.</summary>
    public SamplingParameters Sampling => source.Shape.Sampling;

    /// <summary>When it began to be served.</summary>
    public DateTimeOffset Created => created;

    /// <summary>Whether it can read and write text.</summary>
    public bool HasTokenizer => source.Text.Vocabulary is not null;

    /// <summary>How it chats; null for a model that cannot.</summary>
    internal TemplateFacts? Template => source.Text.Template;

    /// <summary>How it writes calls of tools.</summary>
    internal ToolForm ToolForm => Template?.ToolForm ?? new ToolForm(ToolFormKind.Json, IsOwn: false, TakesSeveral: true, []);

    /// <summary>Tokens that end an answer, besides those that the configuration names.</summary>
    /// <param name="isChat">Whether the answer is a message, which ends as the chat template says, too.</param>
    public IReadOnlyList<int> StopTokens(bool isChat)
    {
        ModelText text = source.Text;
        return [.. text.EndTokens.Union(isChat ? text.Template?.StopTokens ?? [] : [])];
    }

    /// <summary>
    /// The fewest tokens that a text can have, known without encoding it: a token stands for no more bytes than the longest one.
    /// </summary>
    /// <param name="text">The text.</param>
    public int FewestTokens(string text) =>
        source.Text.LongestToken is var longest and > 0 ? Encoding.UTF8.GetByteCount(text) / longest : 0;

    /// <summary>The ids of a prompt; see <see cref="ITextEncoder"/>.</summary>
    /// <param name="text">The prompt.</param>
    /// <param name="addSpecial">Whether the tokens that the checkpoint puts before and behind a prompt are added.</param>
    /// <param name="param">The request's field that holds the prompt.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">The model has no tokenizer.</exception>
    internal ValueTask<IReadOnlyList<int>> EncodeAsync(string text, bool addSpecial, string param, CancellationToken cancellationToken) =>
        (source.Text.Encoder ?? throw NoTokenizer(param)).EncodeAsync(text, addSpecial, cancellationToken);

    /// <summary>The ids of a conversation that the model is to answer.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How it is written.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">The model cannot chat, or not like this.</exception>
    internal async ValueTask<IReadOnlyList<int>> EncodeAsync(
        IReadOnlyList<ChatMessage> messages, ChatOptions options, CancellationToken cancellationToken)
    {
        ModelText text = source.Text;
        if (text.Encoder is not { } encoder) throw NoTokenizer("messages");
        if (text.Template is null) throw ApiException.Invalid("messages", $"The model '{Name}' has no chat template; use /v1/completions.");
        try
        {
            return await encoder.EncodeAsync(messages, options, cancellationToken);
        }
        catch (ChatException exception)
        {
            throw ApiException.Invalid("messages", exception.Message);
        }
    }

    /// <summary>Turns generated tokens into text one by one; null when the model has no tokenizer.</summary>
    /// <param name="startsText">Whether the first token begins a text.</param>
    internal StreamingDecoder? NewDecoder(bool startsText) =>
        source.Text.Vocabulary is { } vocabulary ? new StreamingDecoder(vocabulary, startsText) : null;

    /// <summary>How the reasoning of an answer to a conversation is told apart; null for a model that does not reason.</summary>
    /// <param name="prompt">The conversation's token ids.</param>
    /// <param name="continued">What the request wrote of the message that the answer goes on with, or null.</param>
    internal ChoiceReasoning? Reasoning(IReadOnlyList<int> prompt, string? continued) =>
        source.Text is { Template.Reasoning: { } marks, Vocabulary: { } vocabulary }
            ? new ChoiceReasoning(marks, continued is null ? marks.IsOpenAfter(prompt, vocabulary) : marks.IsOpenIn(continued))
            : null;

    /// <summary>The text of tokens.</summary>
    /// <param name="tokens">Their ids.</param>
    /// <param name="param">The request's field that holds them.</param>
    /// <exception cref="ApiException">The model has no tokenizer.</exception>
    internal string Decode(IReadOnlyList<int> tokens, string param) =>
        (source.Text.Vocabulary ?? throw NoTokenizer(param)).Decode(tokens);

    /// <summary>The bytes that a token stands for; empty for special tokens and without a tokenizer.</summary>
    /// <param name="token">Its id.</param>
    internal ReadOnlySpan<byte> TokenBytes(int token) => source.Text.Vocabulary is { } vocabulary ? vocabulary.TokenBytes(token) : [];

    /// <summary>
    /// A token as clients see it beside its log-probability: its text (U+FFFD for half a character), or its id where it has none.
    /// </summary>
    /// <param name="token">Its id.</param>
    internal string TokenName(int token)
    {
        var bytes = TokenBytes(token);
        return bytes.IsEmpty ? $"token_id:{token}" : Encoding.UTF8.GetString(bytes);
    }

    private ApiException NoTokenizer(string param) => ApiException.Invalid(
        param, $"The model '{Name}' has no tokenizer: {param} cannot be text; send /v1/completions a prompt of token ids.");
}
