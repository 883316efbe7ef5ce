using Llama.Grains.Generation;
using Llama.Model.Chat;
using Llama.Model.Tokenization;

namespace Llama.Grains.Text;

/// <summary>Turns text into the token ids of prompts.</summary>
public interface ITextEncoder
{
    /// <summary>
    /// The ids of a prompt. It is the whole of what the model reads, so names of special tokens in it are those tokens, as vLLM and llama.cpp
    /// have it; in a message they are text.
    /// </summary>
    /// <param name="text">The prompt.</param>
    /// <param name="addSpecial">Whether the tokens that the checkpoint puts before and behind a prompt are added; begin-of-text never twice.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="GenerationException">Nobody can encode at present.</exception>
    ValueTask<IReadOnlyList<int>> EncodeAsync(string text, bool addSpecial, CancellationToken cancellationToken);

    /// <summary>The ids of a conversation that the model is to answer.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How it is written.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ChatException">The chat template does not allow such messages or options.</exception>
    /// <exception cref="GenerationException">Nobody can encode at present.</exception>
    ValueTask<IReadOnlyList<int>> EncodeAsync(IReadOnlyList<ChatMessage> messages, ChatOptions options, CancellationToken cancellationToken);

    /// <summary>The ids of a text with a gap that the model is to fill, which <see cref="ModelText.InfillEndTokens"/> says whether it can.</summary>
    /// <param name="prompt">The text.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="GenerationException">Nobody can encode at present.</exception>
    ValueTask<IReadOnlyList<int>> EncodeAsync(InfillPrompt prompt, CancellationToken cancellationToken);

    /// <summary>A conversation as the text that the model is to go on with.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How it is written.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ChatException">The chat template does not allow such messages or options.</exception>
    /// <exception cref="GenerationException">Nobody can write it at present.</exception>
    ValueTask<string> WriteAsync(IReadOnlyList<ChatMessage> messages, ChatOptions options, CancellationToken cancellationToken);
}

/// <summary>Encodes with the tokenizer and the template of this process.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="template">The chat template; null for a model that cannot chat.</param>
internal sealed class LocalEncoder(ITokenizer tokenizer, ChatTemplate? template) : ITextEncoder
{
    private ChatTemplate Template => template ?? throw new ChatException("The model has no chat template.");

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<int>> EncodeAsync(string text, bool addSpecial, CancellationToken cancellationToken)
    {
        IReadOnlyList<int> tokens = tokenizer.Encode(text, parseSpecial: true);
        if (!addSpecial) return new(tokens);
        bool begun = tokens.Count > 0 && tokens[0] == tokenizer.BeginOfText;
        return new([.. begun ? [] : tokenizer.PromptStart, .. tokens, .. tokenizer.PromptEnd]);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<int>> EncodeAsync(
        IReadOnlyList<ChatMessage> messages, ChatOptions options, CancellationToken cancellationToken) =>
        new(Template.Render(messages, options));

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<int>> EncodeAsync(InfillPrompt prompt, CancellationToken cancellationToken) => new(prompt.Encode(tokenizer));

    /// <inheritdoc/>
    public ValueTask<string> WriteAsync(IReadOnlyList<ChatMessage> messages, ChatOptions options, CancellationToken cancellationToken) =>
        new(Template.RenderAsText(messages, options));
}
