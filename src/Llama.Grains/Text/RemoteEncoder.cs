using Llama.Grains.Generation;
using Llama.Grains.Hosting;
using Llama.Model.Chat;
using Llama.Model.Tokenization;

namespace Llama.Grains.Text;

/// <summary>Has a silo of role gateway encode. One that is lost meanwhile is another's turn: encoding is the same everywhere.</summary>
/// <param name="model">The <see cref="ModelDescription.Id"/> that is meant.</param>
/// <param name="grain">The tokenizer grain at present; throws while the cluster cannot be reached.</param>
/// <param name="recoveryTimeout">How long a text waits for somebody who encodes it.</param>
/// <param name="time">Measures deadlines and pauses.</param>
internal sealed class RemoteEncoder(string model, Func<ITokenizerGrain> grain, TimeSpan recoveryTimeout, TimeProvider time) : ITextEncoder
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(0.1);
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    /// <summary>A text that takes longer than this is none that a context has room for.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(3);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<int>> EncodeAsync(string text, bool addSpecial, CancellationToken cancellationToken) =>
        TokensAsync(new TextToEncode(model, text, addSpecial, [], null), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<int>> EncodeAsync(
        IReadOnlyList<ChatMessage> messages, ChatOptions options, CancellationToken cancellationToken) =>
        TokensAsync(new TextToEncode(model, null, false, messages, options), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<int>> EncodeAsync(InfillPrompt prompt, CancellationToken cancellationToken) =>
        TokensAsync(new TextToEncode(model, null, false, [], null, prompt), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<string> WriteAsync(IReadOnlyList<ChatMessage> messages, ChatOptions options, CancellationToken cancellationToken) =>
        (await AskAsync(new TextToEncode(model, null, false, messages, options, AsText: true), cancellationToken).ConfigureAwait(false)).Text
            ?? throw new GenerationException(GenerationError.Unavailable, "The gateway silo is of an older version, which cannot write a conversation.", TryAgain);

    private async ValueTask<IReadOnlyList<int>> TokensAsync(TextToEncode request, CancellationToken cancellationToken) =>
        (await AskAsync(request, cancellationToken).ConfigureAwait(false)).Tokens;

    private async Task<EncodedText> AskAsync(TextToEncode request, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        while (true)
        {
            try
            {
                EncodedText encoded = await TokenizerCall.WithinAsync(
                    ending => grain().EncodeAsync(request, ending), Deadline, time, cancellationToken).ConfigureAwait(false);
                return encoded.Fault is { } fault ? throw Of(fault) : encoded;
            }
#pragma warning disable CA1031 // A failure is a value: whatever keeps a silo from answering.
            catch (Exception e) when (e is not (ChatException or GenerationException) && !cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
            {
                if (time.GetElapsedTime(start) >= recoveryTimeout)
                    throw new GenerationException(GenerationError.Unavailable, $"No gateway silo encodes text: {Brief.Of(e)}", TryAgain);
            }

            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private static Exception Of(TextFault fault) => fault.Error switch
    {
        TextError.Invalid => new ChatException(fault.Message),
        TextError.Overloaded => new GenerationException(GenerationError.Overloaded, fault.Message, TryAgain),
        _ => new GenerationException(GenerationError.Unavailable, fault.Message, TryAgain),
    };
}
