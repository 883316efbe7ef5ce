using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Reading;

namespace Llama.Gateway.Api.Generation;

/// <summary>Reads the parameters that all requests that generate have in common, and adds who asks.</summary>
/// <param name="model">Knows how tokens are sampled where a request does not say.</param>
/// <param name="sender">Knows who asks.</param>
/// <param name="rules">Reads what changes logits.</param>
internal sealed class ParameterReader(ServedModel model, Sender sender, TokenRuleReader rules)
{
    /// <summary>Reads them.</summary>
    /// <param name="context">The request.</param>
    /// <param name="fields">Its fields.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">A field has a value that it does not take, or contradicts another.</exception>
    public ValueTask<GenerationParameters> ReadAsync(HttpContext context, JsonFields fields, CancellationToken cancellationToken) =>
        ReadAsync(context, fields, fields, cancellationToken);

    /// <summary>Reads them where most stand in an object of their own.</summary>
    /// <inheritdoc cref="ReadAsync(HttpContext, JsonFields, CancellationToken)"/>
    /// <param name="context">The request.</param>
    /// <param name="fields">Its fields.</param>
    /// <param name="sampling">The fields of that object.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async ValueTask<GenerationParameters> ReadAsync(
        HttpContext context, JsonFields fields, JsonFields sampling, CancellationToken cancellationToken) =>
        sender.Add(GenerationParameters.Read(sampling, model.Sampling), context, fields) with
        {
            Rules = await rules.ReadAsync(sampling, cancellationToken),
            StopTokens = rules.ReadStopTokens(sampling),
        };
}
