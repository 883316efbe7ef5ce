using Grpc.Core;
using Llama.V1;
using Microsoft.Extensions.AI;

namespace Llama.Client;

/// <summary>
/// Turns texts into vectors with the model of a Llama cluster, over gRPC: pooled hidden states, of length 1. Fields of <see cref="EmbedRequest"/>
/// that the options have not, such as <c>pooling</c>, go into their additional properties.
/// </summary>
public sealed class LlamaEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    /// <summary>Texts of one request (<c>inference.proto</c>).</summary>
    private const int MostInputs = 2048;

    private readonly LlamaClientOptions options;
    private readonly Gateways gateways;
    private readonly EmbeddingGeneratorMetadata metadata;

    /// <summary>A generator, which connects when it is used.</summary>
    /// <param name="options">Which gateways are asked, and how.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot be used.</exception>
    public LlamaEmbeddingGenerator(LlamaClientOptions options)
    {
        this.options = LlamaClientOptionsValidator.Check(options);
        gateways = new Gateways(options);
        metadata = new EmbeddingGeneratorMetadata("llama", options.Addresses[0], options.Model);
    }

    /// <inheritdoc/>
    /// <exception cref="LlamaException">The request is refused, or no gateway answers it.</exception>
    /// <exception cref="ArgumentException">An additional property is no field of <see cref="EmbedRequest"/>.</exception>
    /// <exception cref="NotSupportedException">The options ask for another number of dimensions.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (options?.Dimensions is { } dimensions) throw ChatRequests.Unsupported($"Dimensions ({dimensions})", "none: the model's");
        var embeddings = new GeneratedEmbeddings<Embedding<float>> { Usage = new UsageDetails() };
        foreach (string[] texts in values.Chunk(MostInputs))
        {
            EmbedRequest request = AdditionalFields.Read(EmbedRequest.Parser, options?.AdditionalProperties);
            if ((options?.ModelId ?? this.options.Model) is { } model) request.Model = model;
            request.Input.AddRange(texts);
            await AddAsync(request, embeddings, cancellationToken).ConfigureAwait(false);
        }

        return embeddings;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(EmbeddingGeneratorMetadata) ? metadata
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>Ends the connections, and the requests on them.</summary>
    public void Dispose() => gateways.Dispose();

    /// <summary>Adds the vectors of a request. A gateway that is asked again gives the same vectors, from the first text.</summary>
    private async Task AddAsync(EmbedRequest request, GeneratedEmbeddings<Embedding<float>> embeddings, CancellationToken cancellationToken)
    {
        var attempts = new Attempts(gateways, options, key: null, cancellationToken);
        int before = embeddings.Count;
        while (true)
        {
            Gateway gateway = gateways.Asked;
            using AsyncServerStreamingCall<EmbedResponse> call = gateway.Inference.Embed(request, attempts.Call);
            int next = before;
            RpcException fault;
            try
            {
                while (await call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false))
                {
                    EmbedResponse part = call.ResponseStream.Current;
                    if (part.Usage is { } usage)
                    {
                        embeddings.Usage!.Add(new UsageDetails { InputTokenCount = usage.PromptTokens, TotalTokenCount = usage.TotalTokens });
                        return;
                    }

                    if (next++ < embeddings.Count) continue;
                    embeddings.Add(new Embedding<float>(part.Values.ToArray()) { ModelId = part.Model, CreatedAt = DateTimeOffset.UtcNow });
                    attempts.Progress();
                }

                return;
            }
            catch (RpcException exception)
            {
                fault = exception;
            }

            await attempts.RecoverAsync(gateway, fault).ConfigureAwait(false);
        }
    }
}
