namespace Llama.Grains.Text;

/// <summary>The shell of the <see cref="TokenizerService"/> of the process that it is activated in.</summary>
/// <param name="service">Has the tokenizer.</param>
[Orleans.Concurrency.StatelessWorker(1), Orleans.Concurrency.Reentrant]
public sealed class TokenizerGrain(TokenizerService service) : Grain, ITokenizerGrain
{
    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        string key = this.GetPrimaryKeyString();
        return key is ITokenizerGrain.AnyModel || key == service.Model.Shape.Name
            ? Task.CompletedTask
            : throw new InvalidOperationException($"This silo serves the model '{service.Model.Shape.Name}', not '{key}'.");
    }

    /// <inheritdoc/>
    public Task<ModelDescription> DescribeAsync(CancellationToken cancellationToken) => service.DescribeAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<VocabularyPage> ReadVocabularyAsync(VocabularyPlace place, CancellationToken cancellationToken) =>
        service.ReadVocabularyAsync(place, cancellationToken);

    /// <inheritdoc/>
    public Task<EncodedText> EncodeAsync(TextToEncode request, CancellationToken cancellationToken) =>
        service.EncodeAsync(request, cancellationToken);
}
