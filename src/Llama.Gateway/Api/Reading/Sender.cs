using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Keys;
using Llama.Gateway.Api.Retries;

namespace Llama.Gateway.Api.Reading;

/// <summary>Adds to a request who sends it, and what follows from that.</summary>
/// <param name="access">Who may use the API.</param>
internal sealed class Sender(ApiAccess access)
{
    /// <summary>The parameters with the sender's name, limits, retry key and part of the prefix cache.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="context">The request.</param>
    /// <param name="fields">Its fields.</param>
    /// <exception cref="ApiException">It asks for a priority that its key has not.</exception>
    public GenerationParameters Add(GenerationParameters parameters, HttpContext context, JsonFields fields)
    {
        var client = ClientName.Of(context);
        var holder = context.Features.Get<KeyHolder>();

        // In requests lower ones go first, in what is asked of the gateway higher ones.
        if (holder?.Key.Priority is { } least && -parameters.Priority < least)
        {
            var name = RequestFields.Priority.Name;
            throw ApiException.Invalid(name, $"{name} must be at least {least} with the key {holder.Key.Id}; found {-parameters.Priority}.");
        }

        var salt = fields.Get(RequestFields.CacheSalt);
        return parameters with
        {
            Client = client,
            Holder = holder,
            Retry = RetryKey.Of(context, fields, client),

            // A key's id has no line feed.
            CacheSalt = access.CachePerKey && holder is not null ? $"{holder.Key.Id}\n{salt}" : salt,
        };
    }
}
