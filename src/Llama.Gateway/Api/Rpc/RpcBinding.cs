using Google.Protobuf;
using Grpc.Core;

namespace Llama.Gateway.Api.Rpc;

/// <summary>
/// Binds the services' calls so that a message which cannot be parsed is its client's fault. The library would call it an unknown error of the
/// server, with a stack trace in the log. It finds these methods by an attribute of the services.
/// </summary>
internal static class RpcBinding
{
    /// <summary>Binds the calls of <see cref="InferenceService"/>.</summary>
    public static void Inference(ServiceBinderBase binder, V1.Inference.InferenceBase service) => V1.Inference.BindService(new Binder(binder), service);

    /// <summary>Binds the calls of <see cref="ClusterService"/>.</summary>
    public static void Cluster(ServiceBinderBase binder, V1.Cluster.ClusterBase service) => V1.Cluster.BindService(new Binder(binder), service);

    /// <summary>Binds the calls of <see cref="HealthService"/>.</summary>
    public static void Health(ServiceBinderBase binder, Grpc.Health.V1.Health.HealthBase service) => Grpc.Health.V1.Health.BindService(new Binder(binder), service);

    private sealed class Binder(ServiceBinderBase inner) : ServiceBinderBase
    {
        public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler) =>
            inner.AddMethod(Parsing(method), handler);

        public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler) =>
            inner.AddMethod(Parsing(method), handler);

        private static Method<TRequest, TResponse> Parsing<TRequest, TResponse>(Method<TRequest, TResponse> method)
            where TRequest : class
            where TResponse : class
        {
            Marshaller<TRequest> requests = method.RequestMarshaller;
            var parsing = new Marshaller<TRequest>(requests.ContextualSerializer, context =>
            {
                try
                {
                    return requests.ContextualDeserializer(context);
                }
                catch (InvalidProtocolBufferException e)
                {
                    throw new RpcException(new Status(StatusCode.InvalidArgument, $"The message is no {typeof(TRequest).Name} of protos/: {e.Message}"));
                }
            });
            return new Method<TRequest, TResponse>(method.Type, method.ServiceName, method.Name, parsing, method.ResponseMarshaller);
        }
    }
}
