using Llama.Gateway.Api.Completions;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Grains.Generation;

namespace Llama.Gateway.Api.Embeddings;

/// <summary>How hidden states become a vector where a request does not say.</summary>
/// <param name="Pooling">How.</param>
internal sealed record EmbeddingDefaults(Pooling Pooling);

/// <summary>Reads what is to be turned into vectors.</summary>
/// <param name="prompts">Reads texts.</param>
/// <param name="sender">Knows who asks.</param>
/// <param name="defaults">What holds where a request does not say.</param>
/// <param name="planner">Knows how long a text may be.</param>
internal sealed class EmbeddingReader(Prompts prompts, Sender sender, EmbeddingDefaults defaults, GenerationPlanner planner)
{
    /// <summary>Texts of one request, as at OpenAI.</summary>
    public const int MostInputs = 2048;

    /// <summary>The mean over all positions, as a request says it.</summary>
    public const string Mean = "mean";

    /// <summary>The last position, as a request says it.</summary>
    public const string Last = "last";

    /// <summary>Vectors as base64, as a request says it.</summary>
    public const string Base64 = "base64";

    /// <summary>The pooling of a name.</summary>
    /// <param name="name"><see cref="Mean"/> or <see cref="Last"/>.</param>
    public static Pooling PoolingOf(string name) => name == Last ? Pooling.Last : Pooling.Mean;

    /// <summary>Reads a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="fields">Its fields.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">A text is empty, too long or not of this model, or there are too many.</exception>
    public async ValueTask<EmbeddingPlan> ReadAsync(HttpContext context, JsonFields fields, CancellationToken cancellationToken)
    {
        var inputs = await prompts.ReadAsync(fields, RequestFields.Input, MostInputs, cancellationToken);
        var parameters = new GenerationParameters
        {
            Sampling = new(),
            Stops = new StopStrings([]),
            Priority = GenerationParameters.ReadPriority(fields),
            Timeout = GenerationParameters.ReadTimeout(fields),
        };
        var pooling = fields.Get(RequestFields.Pooling) is { } name ? PoolingOf(name) : defaults.Pooling;
        return Plan(inputs, pooling, sender.Add(parameters, context, fields), RequestFields.Input.Name);
    }

    /// <summary>Plans vectors of texts.</summary>
    /// <param name="inputs">The texts as token ids.</param>
    /// <param name="pooling">How hidden states become one vector; null for what the gateway was started with.</param>
    /// <param name="parameters">Who asks, and when.</param>
    /// <param name="param">The request's field that holds the texts.</param>
    /// <exception cref="ApiException">A text is empty or too long.</exception>
    public EmbeddingPlan Plan(IReadOnlyList<IReadOnlyList<int>> inputs, Pooling? pooling, GenerationParameters parameters, string param)
    {
        foreach (var input in inputs)
        {
            if (input.Count == 0) throw ApiException.Invalid(param, $"{param} is empty; expected at least one token.");
            if (input.Count <= planner.MaxSequenceTokens) continue;
            throw ApiException.Invalid(
                param, $"The model's context is {planner.MaxSequenceTokens} tokens; found {input.Count} in {param}.", "context_length_exceeded");
        }

        return new EmbeddingPlan(inputs, pooling ?? defaults.Pooling, parameters);
    }
}
