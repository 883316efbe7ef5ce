using System.Runtime.CompilerServices;
using Llama.V1;
using Microsoft.Extensions.AI;

namespace Llama.Client;

/// <summary>
/// Chats with the model of a Llama cluster, over gRPC. When a gateway is lost in the middle of an answer, the answer goes on at the next one,
/// with the same tokens. Each update has its <see cref="GenerateResponse"/> as <see cref="ChatResponseUpdate.RawRepresentation"/>: token ids,
/// log-probabilities and the seed.
/// </summary>
/// <remarks>
/// Fields of <see cref="ChatRequest"/> that <see cref="ChatOptions"/> have not, such as <c>min_p</c>, go into their additional properties. So
/// does <c>idempotency_key</c>, with which an answer can be asked for again, from another process perhaps; without it each request has one
/// of its own.
/// </remarks>
public sealed class LlamaChatClient : IChatClient
{
    private readonly LlamaClientOptions options;
    private readonly Gateways gateways;
    private readonly AnswerStream answers;
    private readonly ChatClientMetadata metadata;

    /// <summary>A client, which connects when it is used.</summary>
    /// <param name="options">Which gateways are asked, and how.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot be used.</exception>
    public LlamaChatClient(LlamaClientOptions options)
    {
        this.options = LlamaClientOptionsValidator.Check(options);
        gateways = new Gateways(options);
        answers = new AnswerStream(gateways, options);
        metadata = new ChatClientMetadata("llama", options.Addresses[0], options.Model);
    }

    /// <inheritdoc/>
    /// <exception cref="LlamaException">The request is refused, or nobody goes on with its answer.</exception>
    /// <exception cref="ArgumentException">An additional property is no field of <see cref="ChatRequest"/>.</exception>
    /// <exception cref="NotSupportedException">The options or a message ask for what no gateway does.</exception>
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="LlamaException">The request is refused, or nobody goes on with its answer.</exception>
    /// <exception cref="ArgumentException">An additional property is no field of <see cref="ChatRequest"/>.</exception>
    /// <exception cref="NotSupportedException">The options or a message ask for what no gateway does.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ChatRequest request = ChatRequests.Create(messages, options, this.options.Model);
        string? key = options?.AdditionalProperties?.GetValueOrDefault(AdditionalFields.Key)?.ToString() ?? (this.options.RecoveryTimeout > TimeSpan.Zero ? Guid.NewGuid().ToString("N") : null);
        var updates = new ChatUpdates();
        await foreach (GenerateResponse part in answers.ReadAsync(request, key, cancellationToken).ConfigureAwait(false))
            yield return updates.Create(part);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? metadata
            : serviceType == typeof(Inference.InferenceClient) ? gateways.Asked.Inference
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>Ends the connections, and the answers that are read from them.</summary>
    public void Dispose() => gateways.Dispose();
}
