using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Llama.Client;

/// <summary>Registers clients of a Llama cluster.</summary>
public static class LlamaClientServices
{
    /// <summary>
    /// Registers <see cref="IChatClient"/> and <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/>. Options that cannot be used are named when
    /// the host starts, or else when one of them is first resolved.
    /// </summary>
    /// <param name="services">Where to.</param>
    /// <param name="configure">Says which gateways are asked, and how.</param>
    public static IServiceCollection AddLlamaClient(this IServiceCollection services, Action<LlamaClientOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<LlamaClientOptions>, LlamaClientOptionsValidator>());
        services.AddOptions<LlamaClientOptions>().Configure(configure).ValidateOnStart();
        services.AddSingleton<IChatClient>(provider => new LlamaChatClient(OptionsOf(provider)));
        services.AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(provider => new LlamaEmbeddingGenerator(OptionsOf(provider)));
        return services;
    }

    private static LlamaClientOptions OptionsOf(IServiceProvider provider) => provider.GetRequiredService<IOptions<LlamaClientOptions>>().Value;
}
