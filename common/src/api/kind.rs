//! What every kind is made of: metadata, specification, status.

use serde::{Deserialize, Deserializer};

/// Reads `null` and a missing field alike: as the default. Clients written in Go write nil lists as `null`.
pub(super) fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Defines the root type of a kind and its definition for the API server, whose description is the documentation here. A
/// specification that is missing or `null` is read as the default one: MetalLB's `L2Advertisement` is used without any.
macro_rules! kind {
    (
        $(#[doc = $doc:literal])*
        $name:ident, $group:literal, $version:literal, $plural:literal, $scope:ident, $spec:ty, $status:ty,
        $($shape:tt)*
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        pub struct $name {
            /// Name, namespace, labels and the like.
            #[serde(default)]
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            /// What is wanted.
            #[serde(default, deserialize_with = "crate::api::kind::null_default")]
            pub spec: $spec,
            /// What is.
            #[serde(default)]
            pub status: Option<$status>,
        }

        impl $name {
            /// Group and version.
            pub const API_VERSION: &'static str = concat!($group, "/", $version);

            /// An object of this name, without a namespace and without a status.
            pub fn new(name: &str, spec: $spec) -> Self {
                let metadata = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                    name: Some(name.to_owned()),
                    ..Default::default()
                };
                Self { metadata, spec, status: None }
            }

            /// What the API server has to know of this kind.
            ///
            /// # Errors
            /// If that is not what the API server reads as a definition.
            pub fn crd() -> Result<
                k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
                serde_json::Error,
            > {
                const SHAPE: crate::api::crd::Shape = crate::api::crd::Shape { description: concat!($($doc, "\n"),*), $($shape)* };
                crate::api::crd::definition::<Self, $spec, $status>(&SHAPE)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct as _;
                let mut fields = serializer.serialize_struct(stringify!($name), 5)?;
                fields.serialize_field("apiVersion", Self::API_VERSION)?;
                fields.serialize_field("kind", stringify!($name))?;
                fields.serialize_field("metadata", &self.metadata)?;
                fields.serialize_field("spec", &self.spec)?;
                match &self.status {
                    Some(status) => fields.serialize_field("status", status)?,
                    None => fields.skip_field("status")?,
                }
                fields.end()
            }
        }

        impl kube::Resource for $name {
            type DynamicType = ();
            type Scope = k8s_openapi::$scope;

            fn kind((): &()) -> std::borrow::Cow<'_, str> {
                stringify!($name).into()
            }

            fn group((): &()) -> std::borrow::Cow<'_, str> {
                $group.into()
            }

            fn version((): &()) -> std::borrow::Cow<'_, str> {
                $version.into()
            }

            fn plural((): &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

pub(super) use kind;
